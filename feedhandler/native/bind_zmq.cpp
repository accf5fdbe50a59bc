// Python face of ZmqSocket: many messages a call, bytes in and out.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include "feedhandler/native/bind.hpp"
#include "feedhandler/native/zmq_socket.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

// Flat: topic, payload, extra frame or None, topic, ... A message of another number of frames is counted and dropped.
class Inbound {
public:
    Inbound(const std::string& module, std::uintptr_t socket) : socket_(module, socket) {}

    nb::list receive(std::size_t messages_max) {
        nb::list frames;
        emptied = false;
        for (std::size_t n = 0; n < messages_max; ++n)
            if (!receive_one(frames)) {
                emptied = true;
                break;
            }
        return frames;
    }

    bool emptied = false;
    std::uint64_t odd = 0;

private:
    bool receive_one(nb::list& frames) {
        fh::ZmqSocket::Received part(socket_.library());
        if (!socket_.receive(part)) return false;
        nb::object parts[3] = {nb::none(), nb::none(), nb::none()};
        std::size_t count = 0;
        for (;;) {
            if (count < 3) parts[count] = nb::bytes(part.data(), part.size());
            ++count;
            // The parts of a message come together.
            if (!part.more() || !socket_.receive(part)) break;
        }
        if (count == 2 || count == 3)
            for (const nb::object& each : parts) frames.append(each);
        else
            ++odd;
        return true;
    }

    fh::ZmqSocket socket_;
};

// Sends messages given as Inbound returns them; returns how many bytes behind the topics.
std::size_t send(const fh::ZmqSocket& self, const nb::list& frames) {
    if (frames.size() % 3 != 0) throw nb::value_error("frames: expected three a message");
    std::size_t size = 0;
    for (std::size_t i = 0; i < frames.size(); i += 3) {
        const auto topic = nb::cast<nb::bytes>(frames[i]);
        const auto payload = nb::cast<nb::bytes>(frames[i + 1]);
        const bool has_extra = !frames[i + 2].is_none();
        self.send(topic.c_str(), topic.size(), true);
        self.send(payload.c_str(), payload.size(), has_extra);
        size += payload.size();
        if (!has_extra) continue;
        const auto extra = nb::cast<nb::bytes>(frames[i + 2]);
        self.send(extra.c_str(), extra.size(), false);
        size += extra.size();
    }
    return size;
}

}  // namespace

void bind_zmq(nb::module_& module) {
    nb::class_<fh::ZmqSocket>(module, "ZmqSocket")
        .def(nb::init<const std::string&, std::uintptr_t>(), "module"_a, "socket"_a)
        .def("send", &send, "frames"_a);
    nb::class_<Inbound>(module, "ZmqInbound")
        .def(nb::init<const std::string&, std::uintptr_t>(), "module"_a, "socket"_a)
        .def("receive", &Inbound::receive, "messages_max"_a)
        .def_ro("emptied", &Inbound::emptied)
        .def_ro("odd", &Inbound::odd);
}
