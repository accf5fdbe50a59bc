// What the fuzz targets share: bytes with room around them, frames, and a check that ends the program.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "feedhandler/native/fix_fields.hpp"

#define FUZZ_CHECK(expression)                                                             \
    do {                                                                                   \
        if (!(expression)) {                                                               \
            std::fprintf(stderr, "%s:%d: %s is false\n", __FILE__, __LINE__, #expression); \
            std::abort();                                                                  \
        }                                                                                  \
    } while (false)

namespace fuzz {

// A text as values of messages are: sixteen readable bytes before its end, FIELD_SLACK behind it, then nothing.
class Value {
public:
    explicit Value(std::string_view text) : bytes_(16 + text.size() + fh::FIELD_SLACK, '\x7f'), size_(text.size()) {
        std::copy(text.begin(), text.end(), bytes_.begin() + 16);
        bytes_[16 + size_] = fh::SOH;
    }
    [[nodiscard]] fh::Text text() const { return {bytes_.data() + 16, bytes_.data() + 16 + size_}; }

private:
    std::vector<char> bytes_;
    std::size_t size_;
};

// The next part of the input up to a newline; a '|' stands for SOH.
inline std::string_view next_line(std::string_view& input) {
    const auto at = input.find('\n');
    const auto line = input.substr(0, at);
    input.remove_prefix(at == std::string_view::npos ? input.size() : at + 1);
    return line;
}

inline std::string wire(std::string_view text) {
    std::string bytes(text);
    for (char& c : bytes)
        if (c == '|') c = fh::SOH;
    return bytes;
}

inline std::uint8_t plain_sum(std::string_view bytes) {
    unsigned sum = 0;
    for (const char c : bytes) sum += static_cast<unsigned char>(c);
    return static_cast<std::uint8_t>(sum);
}

// `body` with right BodyLength and CheckSum.
inline std::string framed(std::string_view body) {
    std::string message =
        "8=FIX.4.4\x01"
        "9=" +
        std::to_string(body.size()) + fh::SOH;
    message += body;
    const std::string sum = std::to_string(1000 + plain_sum(message));
    return message + "10=" + sum.substr(1) + fh::SOH;
}

}  // namespace fuzz
