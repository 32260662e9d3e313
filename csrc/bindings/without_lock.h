// Lets other Python threads run while a kernel runs.
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

// A kernel on a daemon thread may finish while Python is shutting down. Acquiring the lock would
// then end the thread by an exception that passes through destructors, which terminates the
// process. So such a thread sleeps here until the process ends.
class WithoutLock {
 public:
  WithoutLock() : state_(PyEval_SaveThread()) {}
  // The shutdown may begin while a thread waits for the lock here. The exception must then pass.
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
