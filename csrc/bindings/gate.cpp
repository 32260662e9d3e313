// Binds the gate: it limits how many callers of one model run at a time.
//
// It is compiled for one reason. Python raises an exception that comes from outside, such as the
// KeyboardInterrupt of Ctrl-C or one of PyThreadState_SetAsyncExc, between two of its own
// instructions. Between "the caller has a place" and "the caller knows that it has one" such an
// exception would lose the place, and after a few losses every caller would wait forever. Within a
// compiled function it cannot come.
#include <pybind11/pybind11.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <memory>
#include <mutex>

#include "bindings/parts.h"
#include "bindings/without_lock.h"

namespace py = pybind11;

namespace sqz {
namespace {

using Clock = std::chrono::steady_clock;

class Place;

// Lets in as many callers as there is room for; the others wait.
//
// More callers than cores would share the cores too, but the system could switch between them at
// any time: in the middle of a network, whose maps the next caller then evicts from the caches.
// Waking another caller also costs time, so a caller that returns at once usually gets in again; but
// every `turn` seconds, the caller that waits longest is next.
class Gate {
 public:
  Gate(py::function room, double turn) : look_up_(std::move(room)), turn_(turn) {}

  // Looks up the room when a second caller comes, since that takes time. Runs Python, so it must
  // come before the caller has anything to lose.
  void measure() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (inside_ == 0 || room_ != 0) return;
    }
    const int room = std::max(1, look_up_().cast<int>());
    const std::lock_guard<std::mutex> lock(mutex_);
    room_ = room;
  }

  int inside() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return inside_;
  }

  int waiting() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return static_cast<int>(waiting_.size());
  }

 private:
  friend class Place;

  bool has_room() const { return inside_ < std::max(1, room_); }
  bool take() {
    const bool free = has_room();
    inside_ += free;
    return free;
  }

  // Never held while Python code runs or a thread waits.
  std::mutex mutex_;
  py::function look_up_;
  const std::chrono::duration<double> turn_;
  int room_ = 0;  // 0: not looked up yet
  int inside_ = 0;
  std::deque<Place*> waiting_;
  Clock::time_point handed_on_{};
};

// One caller's place, which knows itself whether it is taken. It is given back at the latest when
// the object is freed.
class Place {
 public:
  explicit Place(std::shared_ptr<Gate> gate) : gate_(std::move(gate)) {}
  ~Place() {
    leave();
    if (bell_ != nullptr) PyThread_free_lock(bell_);
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  // Waits for room. Returns whether several callers then fill all cores.
  bool enter() {
    gate_->measure();
    {
      const std::lock_guard<std::mutex> lock(gate_->mutex_);
      if (inside_ || (inside_ = gate_->take())) return 1 < gate_->inside_ && !gate_->has_room();
    }
    hang_bell();
    {
      const std::lock_guard<std::mutex> lock(gate_->mutex_);
      gate_->waiting_.push_back(this);
    }
    try {
      while (!is_in()) listen();
    } catch (...) {
      leave();
      throw;
    }
    return gate_->room_ > 1;
  }

  // Gives the place back, or stops waiting for one. Does nothing the second time.
  void leave() {
    const std::lock_guard<std::mutex> lock(gate_->mutex_);
    std::deque<Place*>& waiting = gate_->waiting_;
    waiting.erase(std::remove(waiting.begin(), waiting.end(), this), waiting.end());
    gate_->inside_ -= inside_;
    const bool handed =
        inside_ && !waiting.empty() && Clock::now() - gate_->handed_on_ > gate_->turn_;
    inside_ = false;
    if (waiting.empty() || !gate_->has_room()) return;
    Place* first = waiting.front();
    if (handed) {
      gate_->handed_on_ = Clock::now();
      ++gate_->inside_;
      waiting.pop_front();
      first->inside_ = true;
    }
    first->ring();
  }

 private:
  void hang_bell() {
    if (bell_ != nullptr) return;
    bell_ = PyThread_allocate_lock();
    if (bell_ == nullptr) throw std::bad_alloc();
    PyThread_acquire_lock(bell_, NOWAIT_LOCK);
  }

  // Once for each time that it is heard.
  void ring() {
    if (rung_) return;
    rung_ = true;
    PyThread_release_lock(bell_);
  }

  bool is_in() {
    const std::lock_guard<std::mutex> lock(gate_->mutex_);
    if (inside_) return true;  // another caller handed its place over
    if (!gate_->take()) return false;
    std::deque<Place*>& waiting = gate_->waiting_;
    waiting.erase(std::remove(waiting.begin(), waiting.end(), this), waiting.end());
    return inside_ = true;
  }

  // Waits for the bell, or raises what a signal's handler raises. A signal ends the wait only if it
  // comes during it and to this thread; for any other, the wait is interrupted regularly.
  void listen() {
    constexpr PY_TIMEOUT_T kMicroseconds = 100'000;
    for (;;) {
      PyLockStatus heard;
      {
        WithoutLock released;
        heard = PyThread_acquire_lock_timed(bell_, kMicroseconds, 1);
      }
      if (heard == PY_LOCK_ACQUIRED) break;
      if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    }
    const std::lock_guard<std::mutex> lock(gate_->mutex_);
    rung_ = false;
  }

  std::shared_ptr<Gate> gate_;
  PyThread_type_lock bell_ = nullptr;  // released to wake the caller
  bool inside_ = false, rung_ = false;
};

}  // namespace

void bind_gate(py::module_& m) {
  py::class_<Gate, std::shared_ptr<Gate>>(m, "Gate")
      .def(py::init<py::function, double>(), py::arg("room"), py::arg("turn") = 0.03)
      .def("place", [](const std::shared_ptr<Gate>& gate) { return std::make_unique<Place>(gate); })
      .def_property_readonly("inside", &Gate::inside)
      .def_property_readonly("waiting", &Gate::waiting);
  py::class_<Place>(m, "Place").def("enter", &Place::enter).def("leave", &Place::leave);
}

}  // namespace sqz
