#include "core/threadpool.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
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
#elif defined(__aarch64__) || (defined(__arm__) && __ARM_ARCH >= 7)
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

// The steps of a network follow each other within microseconds. So a thread without work checks for
// the next loop this many times (tens of microseconds) before it sleeps.
constexpr int kSpins = 2000;

// Each share is divided into this many pieces. A piece is small enough to balance the load, and
// large enough for a kernel to reuse a block of weights in the cache for several tiles.
constexpr int kPieces = 8;

// Atomics have the size of a register. Larger ones need libatomic on ARMv6.
using Word = std::uintptr_t;

// Each thread starts with its own share, so that the same rows of successive layers tend to be in
// the same core's cache. When its share is done, it takes pieces of the other shares.
struct alignas(64) Share {
  std::atomic<std::ptrdiff_t> next{0};
  std::ptrdiff_t end = 0;
};

}  // namespace

// The threads other than the caller. `gate` holds the state of the protocol: bit 0 is set while a
// loop is open, the next bits count the threads inside the loop, and the other bits are the loop's
// number. A thread enters only if the gate is open. The caller closes the gate once no work is
// left, so it never waits for a thread that got no core in the meantime. With 32 bits the number
// wraps around after 65536 loops: a thread that slept so long may miss one, without harm.
struct ThreadPool::Crew {
  explicit Crew(int threads) : shares(threads) {
    try {
      for (int i = 1; i < threads; ++i) workers.emplace_back([this, i] { worker(i); });
    } catch (const std::system_error&) {
      // The system has no more threads. Those that started take over the remaining shares.
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

  void loop(std::int64_t items, Function loop_function, const void* loop_body) {
    const int threads = static_cast<int>(shares.size());
    function = loop_function;
    body = loop_body;
    const auto first = [=](int i) { return static_cast<std::ptrdiff_t>(items * i / threads); };
    piece = std::max<std::ptrdiff_t>(1, first(1) / kPieces);
    for (int i = 0; i < threads; ++i) {
      shares[i].next.store(first(i), std::memory_order_relaxed);
      shares[i].end = first(i + 1);
    }
    gate.store(((gate.load(std::memory_order_relaxed) / kLoop + 1) * kLoop) | kOpen);
    // Both sides write, then read. So either this thread sees the sleeper, or the sleeper sees the
    // open gate.
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
    const int threads = static_cast<int>(shares.size());
    for (int i = 0; i < threads; ++i) {
      Share& share = shares[(self + i) % threads];
      while (share.next.load(std::memory_order_relaxed) < share.end) {
        const std::ptrdiff_t begin = share.next.fetch_add(piece, std::memory_order_relaxed);
        if (begin < share.end) function(body, begin, std::min(begin + piece, share.end), self);
      }
    }
  }

  bool open_after(Word seen) const {
    const Word state = gate.load();
    return (state & kOpen) && state / kLoop != seen;
  }

  void worker(int self) {
    Word seen = 0;
    for (;;) {
      for (int i = 0; i < kSpins && !open_after(seen); ++i) relax();
      if (!open_after(seen)) {
        std::unique_lock<std::mutex> lock(mutex);
        sleepers.fetch_add(1);
        wake.wait(lock, [&] { return stopping || open_after(seen); });
        sleepers.fetch_sub(1);
        if (stopping) return;
      }
      Word state = gate.load();
      if (!(state & kOpen) || !gate.compare_exchange_strong(state, state + kInside)) continue;
      seen = state / kLoop;
      work(self);
      gate.fetch_sub(kInside, std::memory_order_release);
    }
  }

  static constexpr Word kOpen = 1, kInside = 2, kLoop = 1 << 16;
  std::vector<Share> shares;
  std::atomic<Word> gate{0};

  // The open loop. Its caller writes these before it opens the gate.
  Function function = nullptr;
  const void* body = nullptr;
  std::ptrdiff_t piece = 1;

  std::mutex mutex;
  std::condition_variable wake;
  std::atomic<int> sleepers{0};
  bool stopping = false;
  std::vector<std::thread> workers;
};

ThreadPool::ThreadPool(int threads) : threads_(std::max(1, threads)), process_(process_id()) {}

ThreadPool::~ThreadPool() {
  // After a fork, the threads exist only in the parent, so the child has nothing to join.
  if (process_.load() != process_id()) (void)crew_.release();
}

// Returns true if the caller may use the crew. The caller then has to clear busy_.
bool ThreadPool::claim() {
  long owner = process_.load();
  const long self = process_id();
  if (owner != self) {
    // This is the child of a fork. The parent's threads and the owner of busy_ do not exist here.
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
