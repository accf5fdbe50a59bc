// What Python's ring readers share: the arrays that records go to, batches as tuples, waiting that hears signals.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <span>
#include <stdexcept>
#include <utility>

#include "shm/clock.hpp"
#include "shm/ring_reader.hpp"

namespace fh::python {

namespace nb = nanobind;

// One thread at a time: the GIL is released while records are copied.
class Turn {
public:
    explicit Turn(bool& busy) : busy_(busy) {
        if (busy_) throw std::runtime_error("another thread is reading with this reader; give each thread its own");
        busy_ = true;
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn() { busy_ = false; }

private:
    bool& busy_;
};

// A writable one-dimensional array of items of one size. Holds it, and its memory in place.
class Array {
public:
    // TypeError where it exports no writable memory; ValueError where that is of another shape.
    Array(nb::handle array, std::size_t item, const char* expected) {
        if (PyObject_GetBuffer(array.ptr(), &view_, PyBUF_WRITABLE | PyBUF_ND) != 0) throw nb::python_error();
        const bool fits = view_.ndim == 1 && static_cast<std::size_t>(view_.itemsize) == item &&
                          reinterpret_cast<std::uintptr_t>(view_.buf) % std::min<std::size_t>(item, 8) == 0;
        if (fits) return;
        PyBuffer_Release(&view_);
        throw nb::value_error(expected);
    }
    Array(const Array&) = delete;
    Array& operator=(const Array&) = delete;
    ~Array() { PyBuffer_Release(&view_); }

    [[nodiscard]] void* data() const noexcept { return view_.buf; }
    [[nodiscard]] std::size_t size() const noexcept {
        return static_cast<std::size_t>(view_.len) / static_cast<std::size_t>(view_.itemsize);
    }

private:
    Py_buffer view_{};
};

// `out`, or ValueError: records are copied as words.
inline Array records_of(nb::handle out) {
    return {out, sizeof(Record), "out must be a writable, contiguous, 8-byte aligned array of records (dtype TICK)"};
}

inline nb::object part_of(nb::handle array, std::size_t begin, std::size_t count) {
    const nb::object first = nb::steal(PyLong_FromSize_t(begin));
    const nb::object end = nb::steal(PyLong_FromSize_t(begin + count));
    const nb::object slice = nb::steal(PySlice_New(first.ptr(), end.ptr(), nullptr));
    nb::object part = nb::steal(PyObject_GetItem(array.ptr(), slice.ptr()));
    if (!part.is_valid()) throw nb::python_error();
    return part;
}

// A reader's own array. The same view is handed out again while batches have the same length: no allocation.
class OwnArray {
public:
    OwnArray(nb::object array, std::size_t item)
        : object_(std::move(array)),
          memory_(object_, item, "the reader's own buffer is not what it should be"),
          none_(part_of(object_, 0, 0)),
          last_(none_) {}

    [[nodiscard]] void* data() const noexcept { return memory_.data(); }
    [[nodiscard]] std::size_t size() const noexcept { return memory_.size(); }
    [[nodiscard]] const nb::object& none() const noexcept { return none_; }
    [[nodiscard]] nb::object dtype() const { return object_.attr("dtype"); }
    const nb::object& first(std::size_t count) {
        if (count == 0) return none_;
        if (count != count_) {
            last_ = part_of(object_, 0, count);
            count_ = count;
        }
        return last_;
    }

private:
    nb::object object_;
    Array memory_;
    nb::object none_;
    nb::object last_;
    std::size_t count_ = 0;
};

// An instance of a NamedTuple, without the detour over its __new__.
template <class... Fields>
nb::object named_tuple(const nb::object& type, const Fields&... fields) {
    static const auto make = reinterpret_cast<newfunc>(PyType_GetSlot(&PyTuple_Type, Py_tp_new));
    const nb::tuple arguments = nb::make_tuple(nb::make_tuple(fields...));
    nb::object made = nb::steal(make(reinterpret_cast<PyTypeObject*>(type.ptr()), arguments.ptr(), nullptr));
    if (!made.is_valid()) throw nb::python_error();
    return made;
}

// How many records a read may bring. ValueError below 1.
inline std::size_t at_most(nb::handle max, std::size_t room) {
    if (room == 0) throw nb::value_error("out has no room for a record");
    if (max.is_none()) return room;
    const auto wanted = PyLong_AsSsize_t(max.ptr());
    if (wanted == -1 && PyErr_Occurred() != nullptr) throw nb::python_error();
    if (wanted < 1) throw nb::value_error("max must be at least 1");
    return std::min(room, static_cast<std::size_t>(wanted));
}

inline constexpr std::int64_t FOR_EVER = INT64_MAX;

// `timeout` in seconds, None for ever; in ns. ValueError for NaN.
inline std::int64_t timeout_of(nb::handle timeout) {
    if (timeout.is_none()) return FOR_EVER;
    const double seconds = PyFloat_AsDouble(timeout.ptr());
    if (PyErr_Occurred() != nullptr) throw nb::python_error();
    if (std::isnan(seconds)) throw nb::value_error("timeout must not be NaN");
    if (seconds <= 0) return 0;
    return seconds >= 9e9 ? FOR_EVER : static_cast<std::int64_t>(seconds * 1e9);
}

// Calls `wait(slice_ns)`, which releases the GIL, until it says true or the time is over. Signal handlers run in
// between, every SIGNAL_NS at the latest; what they raise ends the wait.
template <class Wait>
bool wait_hearing_signals(std::int64_t timeout_ns, Wait wait) {
    constexpr std::int64_t SIGNAL_NS = 50'000'000;
    const auto begin = monotonic_ns();
    for (std::int64_t left = timeout_ns;;) {
        if (wait(std::min(left, SIGNAL_NS))) return true;
        if (PyErr_CheckSignals() != 0) throw nb::python_error();
        if (timeout_ns == FOR_EVER) continue;
        left = timeout_ns - (monotonic_ns() - begin);
        if (left <= 0) return false;
    }
}

// Bytes of `count` records in a ring. They stay mapped as long as the array lives, whatever the reader attaches.
inline nb::object mapped_bytes(const RingReader& reader, const Record* records, std::size_t count) {
    auto keep = std::make_unique<std::shared_ptr<const Mapping>>(reader.mapping());
    const nb::capsule owner(keep.get(),
                            [](void* kept) noexcept { delete static_cast<std::shared_ptr<const Mapping>*>(kept); });
    keep.release();  // NOLINT(bugprone-unused-return-value): the capsule's now
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(records);
    return nb::cast(nb::ndarray<nb::numpy, const std::uint8_t, nb::ndim<1>>(bytes, {count * sizeof(Record)}, owner));
}

// Borrowed bytes of whole records, from the reader's next on.
inline nb::object view_of(const RingReader& reader, std::size_t max) {
    std::size_t count = 0;
    const Record* records = reader.view(max, count);
    return mapped_bytes(reader, records, count);
}

// LostError(ring, lost, epochs_gone, by_ring).
[[noreturn]] inline void raise_lost(const nb::object& name, std::uint64_t lost, bool epochs_gone,
                                    const nb::dict& each) {
    const nb::object type = nb::module_::import_("feedhandler.errors").attr("LostError");
    const nb::object error = type(name, lost, epochs_gone, each);
    PyErr_SetObject(type.ptr(), error.ptr());
    throw nb::python_error();
}

}  // namespace fh::python
