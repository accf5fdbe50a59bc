// What the engine says at its end: for people, or as one JSON object.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "latency.hpp"

struct RingSummary {
    std::string name;
    std::string state;
    std::uint64_t records;
    std::uint64_t lost;
    std::uint64_t laps;
    std::uint64_t restarts;
};

struct Summary {
    std::uint64_t instruments;
    std::uint64_t reactions;
    std::uint64_t untrusted;
    double volume;
    std::string board_state;
    std::uint64_t board_restarts;
    std::uint64_t board_rescans;
    std::uint64_t clock_steps;
    std::vector<RingSummary> rings;
    const Latency* quotes;
    const Latency* trades;
};

inline std::string latency_json(const Latency& latency) {
    char text[256];
    std::snprintf(
        text, sizeof text,
        R"({"count":%llu,"p50_ns":%llu,"p90_ns":%llu,"p99_ns":%llu,"p999_ns":%llu,"max_ns":%llu,"negative":%llu})",
        static_cast<unsigned long long>(latency.count()), static_cast<unsigned long long>(latency.percentile(0.5)),
        static_cast<unsigned long long>(latency.percentile(0.9)),
        static_cast<unsigned long long>(latency.percentile(0.99)),
        static_cast<unsigned long long>(latency.percentile(0.999)), static_cast<unsigned long long>(latency.max()),
        static_cast<unsigned long long>(latency.negative()));
    return text;
}

inline void print_json(const Summary& summary) {
    const auto field = [](const char* name, std::uint64_t value) {
        return "\"" + std::string(name) + "\":" + std::to_string(value);
    };
    std::string rings;
    for (const auto& ring : summary.rings)  // names of rings are letters, digits, '-' and '_'
        rings += std::string(rings.empty() ? "" : ",") + R"({"ring":")" + ring.name + R"(","state":")" + ring.state +
                 "\"," + field("records", ring.records) + "," + field("lost", ring.lost) + "," +
                 field("laps", ring.laps) + "," + field("restarts", ring.restarts) + "}";
    std::printf(
        "{%s,%s,%s,\"volume\":%.17g,\"board\":{\"state\":\"%s\",%s,%s},%s,\"rings\":[%s],\"quotes\":%s,\"trades\":%s}"
        "\n",
        field("instruments", summary.instruments).c_str(), field("reactions", summary.reactions).c_str(),
        field("untrusted", summary.untrusted).c_str(), summary.volume, summary.board_state.c_str(),
        field("restarts", summary.board_restarts).c_str(), field("rescans", summary.board_rescans).c_str(),
        field("clock_steps", summary.clock_steps).c_str(), rings.c_str(), latency_json(*summary.quotes).c_str(),
        latency_json(*summary.trades).c_str());
}

inline void print_latency(const char* what, const Latency& latency) {
    const auto us = [&](double share) { return static_cast<double>(latency.percentile(share)) / 1e3; };
    std::printf("%s: %llu, ts_recv to reaction in us: p50 %.1f  p90 %.1f  p99 %.1f  p99.9 %.1f  max %.1f\n", what,
                static_cast<unsigned long long>(latency.count()), us(0.5), us(0.9), us(0.99), us(0.999),
                static_cast<double>(latency.max()) / 1e3);
}

inline void print_text(const Summary& summary) {
    const auto number = [](std::uint64_t value) { return static_cast<unsigned long long>(value); };
    std::printf("%llu instruments, %llu reactions, %llu changes of no trusted book\n", number(summary.instruments),
                number(summary.reactions), number(summary.untrusted));
    print_latency("best prices", *summary.quotes);
    print_latency("trades", *summary.trades);
    std::printf("volume of trades seen: %.10g\n", summary.volume);
    std::printf("board: %s, %llu restarts of the conflator, %llu times too slow for its log\n",
                summary.board_state.c_str(), number(summary.board_restarts), number(summary.board_rescans));
    for (const auto& ring : summary.rings)
        std::printf("%s: %s, %llu records, lost %llu in %llu laps, %llu restarts of its writer\n", ring.name.c_str(),
                    ring.state.c_str(), number(ring.records), number(ring.lost), number(ring.laps),
                    number(ring.restarts));
    if (summary.clock_steps != 0)
        std::printf("the clock was set %llu times: latencies around that are wrong\n", number(summary.clock_steps));
}
