#include "core/threadpool.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#if defined(_WIN32)
#include <process.h>
#else
#include <unistd.h>
#endif

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

namespace sqz {
namespace {

void relax() {
#if defined(__x86_64__) || defined(__i386__)
  _mm_pause();
#elif defined(__aarch64__) || defined(__arm__)
  __asm__ volatile("yield");
#else
  std::this_thread::yield();
#endif
}

long process_id() {
#if defined(_WIN32)
  return _getpid();
#else
  return getpid();
#endif
}

// The steps of a network follow each other within microseconds. So a thread without work looks for the
// next loop this many times (tens of microseconds) before it sleeps.
constexpr int kSpins = 2000;

// Pieces a thread takes of its share at a time: small enough to balance, large enough that a
// kernel keeps a block of weights in cache over several tiles.
constexpr int kPieces = 8;

// Each thread starts on a share of its own, so that the same rows of successive layers tend to
// meet the same core's cache, and takes from the others' shares when its own is done.
struct alignas(64) Share {
  std::atomic<std::int64_t> next{0};
  std::int64_t end = 0;
};

}  // namespace

// The threads beside the caller. `gate` is the whole protocol: bit 0 says that a loop is open,
// the next bits count the threads inside it, the rest number the loops. A thread enters only an
// open gate, and the caller shuts it once no work is left, so that a thread which never got a
// core in the meantime is not waited for.
struct ThreadPool::Crew {
  explicit Crew(int threads) : shares(threads) {
    try {
      for (int i = 1; i < threads; ++i) workers.emplace_back([this, i] { worker(i); });
    } catch (const std::system_error&) {
      // The system gives no more threads: those that started take over the others' shares.
    }
  }

  ~Crew() {
    {
      std::lock_guard<std::mutex> lock(mutex);
      stopping = true;
    }
    wake.notify_all();
    for (std::thread& t : workers) t.join();
  }

  void loop(std::int64_t items, Function f, const void* b) {
    const int n = static_cast<int>(shares.size());
    function = f;
    body = b;
    piece = std::max<std::int64_t>(1, items / (static_cast<std::int64_t>(n) * kPieces));
    for (int i = 0; i < n; ++i) {
      shares[i].next.store(items * i / n, std::memory_order_relaxed);
      shares[i].end = items * (i + 1) / n;
    }
    gate.store(((gate.load(std::memory_order_relaxed) / kLoop + 1) * kLoop) | kOpen);
    // Either this sees the sleeper, or the sleeper sees the gate: both sides write, then read.
    if (sleepers.load() > 0) {
      {
        std::lock_guard<std::mutex> lock(mutex);
      }
      wake.notify_all();
    }
    work(0);
    gate.fetch_and(~kOpen);
    for (int spin = 0; gate.load(std::memory_order_acquire) % kLoop != 0; ++spin) {
      if (spin < kSpins)
        relax();
      else
        std::this_thread::yield();
    }
  }

  void work(int self) {
    const int n = static_cast<int>(shares.size());
    for (int i = 0; i < n; ++i) {
      Share& share = shares[(self + i) % n];
      while (share.next.load(std::memory_order_relaxed) < share.end) {
        const std::int64_t begin = share.next.fetch_add(piece, std::memory_order_relaxed);
        if (begin < share.end) function(body, begin, std::min(begin + piece, share.end), self);
      }
    }
  }

  bool open_after(std::uint64_t seen) const {
    const std::uint64_t g = gate.load();
    return (g & kOpen) && g / kLoop != seen;
  }

  void worker(int self) {
    std::uint64_t seen = 0;
    for (;;) {
      for (int i = 0; i < kSpins && !open_after(seen); ++i) relax();
      if (!open_after(seen)) {
        std::unique_lock<std::mutex> lock(mutex);
        sleepers.fetch_add(1);
        wake.wait(lock, [&] { return stopping || open_after(seen); });
        sleepers.fetch_sub(1);
        if (stopping) return;
      }
      std::uint64_t g = gate.load();
      if (!(g & kOpen) || !gate.compare_exchange_strong(g, g + kInside)) continue;
      seen = g / kLoop;
      work(self);
      gate.fetch_sub(kInside, std::memory_order_release);
    }
  }

  static constexpr std::uint64_t kOpen = 1, kInside = 2, kLoop = 1 << 16;
  std::vector<Share> shares;
  std::atomic<std::uint64_t> gate{0};

  // The open loop: written by its caller before the gate opens.
  Function function = nullptr;
  const void* body = nullptr;
  std::int64_t piece = 1;

  std::mutex mutex;
  std::condition_variable wake;
  std::atomic<int> sleepers{0};
  bool stopping = false;
  std::vector<std::thread> workers;
};

ThreadPool::ThreadPool(int threads) : threads_(std::max(1, threads)), process_(process_id()) {}

ThreadPool::~ThreadPool() {
  // After a fork the threads exist in the parent only: there is nothing to join here.
  if (process_.load() != process_id()) (void)crew_.release();
}

// True where the caller may use the crew until it clears busy_.
bool ThreadPool::claim() {
  long owner = process_.load();
  const long self = process_id();
  if (owner != self) {
    // The child of a fork: the parent's threads, and whoever held the pool, are not here.
    if (!process_.compare_exchange_strong(owner, self)) return false;
    (void)crew_.release();
    busy_.store(true);
  } else if (busy_.exchange(true)) {
    return false;
  }
  if (!crew_) crew_ = std::make_unique<Crew>(threads_);
  return true;
}

void ThreadPool::run_erased(std::int64_t items, Function function, const void* body) {
  if (items <= 0) return;
  if (threads_ > 1 && items > 1 && !crowded() && claim()) {
    crew_->loop(items, function, body);
    busy_.store(false);
  } else {
    function(body, 0, items, 0);
  }
}

}  // namespace sqz
