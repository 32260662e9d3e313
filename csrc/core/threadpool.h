// A fixed pool of threads that runs one loop at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace sqz {

class ThreadPool {
 public:
  // `threads` includes the caller, so a pool of 1 starts no thread. Threads start at the first loop
  // that has work for them.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return threads_; }

  // Whether the callers already use all cores. Another thread would take a core from them.
  bool crowded() const { return crowded_.load(std::memory_order_relaxed); }
  void set_crowded(bool crowded) { crowded_.store(crowded, std::memory_order_relaxed); }

  // Calls body(begin, end, thread) for pieces of [0, items) on several threads and returns when all
  // pieces are done. A caller runs its loop alone, without waiting, if the pool is busy with
  // another caller's loop or crowded, or in the child of a fork that has not started its own
  // threads yet. `thread` is less than threads() and differs between threads that run at the same
  // time. `body` must not throw.
  template <typename Body>
  void run(std::int64_t items, const Body& body) {
    run_erased(
        items,
        [](const void* b, std::int64_t begin, std::int64_t end, int thread) {
          (*static_cast<const Body*>(b))(begin, end, thread);
        },
        &body);
  }

 private:
  using Function = void (*)(const void*, std::int64_t, std::int64_t, int);
  void run_erased(std::int64_t items, Function function, const void* body);

  struct Crew;
  bool claim();

  const int threads_;
  std::atomic<bool> busy_{false}, crowded_{false};
  std::atomic<long> process_;   // the process whose threads crew_ holds
  std::unique_ptr<Crew> crew_;  // used only by the thread that set busy_
};

}  // namespace sqz
