// Lets other Python threads run while a kernel does.
#pragma once

#include <Python.h>

#include <chrono>
#include <thread>

namespace sqz {

inline bool python_is_ending() {
#if PY_VERSION_HEX >= 0x030d0000
  return Py_IsFinalizing();
#else
  return _Py_IsFinalizing();
#endif
}

// A kernel of a daemon thread may end while Python shuts down. Taking the lock then ends the thread by
// an exception that passes through destructors, which ends the process. So such a thread waits here
// until the process ends.
class WithoutLock {
 public:
  WithoutLock() : state_(PyEval_SaveThread()) {}
  // A thread that already waits for the lock ends by that exception here, and it must get through.
  ~WithoutLock() noexcept(false) {
    while (python_is_ending()) std::this_thread::sleep_for(std::chrono::seconds(1));
    PyEval_RestoreThread(state_);
  }
  WithoutLock(const WithoutLock&) = delete;
  WithoutLock& operator=(const WithoutLock&) = delete;

 private:
  PyThreadState* state_;
};

}  // namespace sqz
