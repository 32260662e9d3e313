// Measures the transfer of a cache line between two cores. Two threads, each on its own core, pass
// a counter back and forth. Prints the time of one transfer in nanoseconds, the median of nine
// runs.
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <thread>

namespace {

constexpr int kTurns = 20000;
alignas(128) std::atomic<int> counter;

void stay_on(int nth) {
  cpu_set_t usable, one;
  sched_getaffinity(0, sizeof usable, &usable);
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &usable) && nth-- == 0) {
      CPU_ZERO(&one);
      CPU_SET(cpu, &one);
      pthread_setaffinity_np(pthread_self(), sizeof one, &one);
      return;
    }
}

void hand_over(int first) {
  for (int turn = first; turn < kTurns; turn += 2) {
    while (counter.load(std::memory_order_acquire) != turn) {
    }
    counter.store(turn + 1, std::memory_order_release);
  }
}

}  // namespace

int main() {
  double runs[9];
  for (double& ns : runs) {
    counter = 0;
    std::thread other([] {
      stay_on(1);
      hand_over(1);
    });
    std::thread timed([&ns] {
      stay_on(0);
      counter.store(1);
      while (counter.load(std::memory_order_acquire) == 1) {  // until the other thread runs
      }
      const auto start = std::chrono::steady_clock::now();
      hand_over(2);
      const std::chrono::duration<double, std::nano> took =
          std::chrono::steady_clock::now() - start;
      ns = took.count() / (kTurns - 2);
    });
    timed.join();
    other.join();
  }
  std::sort(runs, runs + 9);
  std::printf("%.0f\n", runs[4]);
}
