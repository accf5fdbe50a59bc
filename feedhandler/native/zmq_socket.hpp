// A ZeroMQ socket of pyzmq's, used without Python: the functions of the libzmq that pyzmq itself has loaded.
//
// The socket belongs to the Python object that opened it: it must outlive this one and be used by the same thread.
#pragma once

#include <dlfcn.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <system_error>

namespace fh {

// zmq_msg_t as zmq.h declares it since 4.0: 64 bytes that only libzmq looks into.
struct alignas(void*) ZmqPart {
    unsigned char opaque[64];
};

// The part of libzmq's C interface that the data path needs.
struct ZmqLibrary {
    int (*send)(void*, const void*, std::size_t, int);
    int (*msg_init)(ZmqPart*);
    int (*msg_recv)(ZmqPart*, void*, int);
    void* (*msg_data)(ZmqPart*);
    std::size_t (*msg_size)(const ZmqPart*);
    int (*msg_more)(const ZmqPart*);
    int (*msg_close)(ZmqPart*);
    int (*error)();

    // `module`: pyzmq's extension module, which must be loaded; its libzmq is found through it.
    explicit ZmqLibrary(const std::string& module) {
        void* handle = ::dlopen(module.c_str(), RTLD_NOW | RTLD_NOLOAD);
        if (handle == nullptr) throw std::runtime_error("not loaded: " + module);
        find(handle, "zmq_send", send);
        find(handle, "zmq_msg_init", msg_init);
        find(handle, "zmq_msg_recv", msg_recv);
        find(handle, "zmq_msg_data", msg_data);
        find(handle, "zmq_msg_size", msg_size);
        find(handle, "zmq_msg_more", msg_more);
        find(handle, "zmq_msg_close", msg_close);
        find(handle, "zmq_errno", error);
    }

private:
    template <class Function>
    static void find(void* handle, const char* name, Function& function) {
        void* address = ::dlsym(handle, name);
        if (address == nullptr) throw std::runtime_error(std::string("pyzmq's libzmq has no ") + name);
        function = reinterpret_cast<Function>(address);
    }
};

class ZmqSocket {
public:
    ZmqSocket(const std::string& module, std::uintptr_t socket)
        : library_(module), socket_(reinterpret_cast<void*>(socket)) {}

    // Sends one part; never waits. Throws std::system_error where libzmq refuses, as XPUB does of a closed context.
    void send(const void* data, std::size_t bytes, bool more) const {
        while (library_.send(socket_, data, bytes, more ? DONT_WAIT | MORE : DONT_WAIT) < 0)
            if (const int error = library_.error(); error != EINTR)
                throw std::system_error(error, std::generic_category(), "zmq_send");
    }

    // A part as libzmq holds it.
    class Received {
    public:
        explicit Received(const ZmqLibrary& library) : library_(library) { library_.msg_init(&part_); }
        ~Received() { library_.msg_close(&part_); }
        Received(const Received&) = delete;
        Received& operator=(const Received&) = delete;

        [[nodiscard]] const char* data() { return static_cast<const char*>(library_.msg_data(&part_)); }
        [[nodiscard]] std::size_t size() const { return library_.msg_size(&part_); }
        [[nodiscard]] bool more() const { return library_.msg_more(&part_) != 0; }

    private:
        friend class ZmqSocket;
        const ZmqLibrary& library_;
        ZmqPart part_;
    };

    // Takes the next part; never waits. False: none is there.
    bool receive(Received& part) const {
        while (library_.msg_recv(&part.part_, socket_, DONT_WAIT) < 0) {
            const int error = library_.error();
            if (error == EAGAIN) return false;
            if (error != EINTR) throw std::system_error(error, std::generic_category(), "zmq_msg_recv");
        }
        return true;
    }
    [[nodiscard]] const ZmqLibrary& library() const noexcept { return library_; }

private:
    static constexpr int DONT_WAIT = 1;  // ZMQ_DONTWAIT
    static constexpr int MORE = 2;       // ZMQ_SNDMORE

    ZmqLibrary library_;
    void* socket_;
};

}  // namespace fh
