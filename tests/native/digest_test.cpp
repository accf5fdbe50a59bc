// Heartbeats in slices: every topic is named within an interval of its change, and once an interval at most.
#include "feedhandler/native/conflate_digest.hpp"

#include <random>
#include <vector>

#include "tests/native/check.hpp"

namespace {

using namespace fh;

std::vector<Topic*> slice(Digest& digest) {
    const auto due = digest.due();
    std::vector<Topic*> named(due.begin(), due.end());
    digest.named();
    return named;
}

void a_change_is_named_within_an_interval_and_not_again() {
    Digest digest;
    Topic topic;
    digest.add(topic);
    std::vector<std::size_t> named;
    for (std::size_t i = 1; i <= 3 * Digest::SLICES; ++i)
        if (!slice(digest).empty()) named.push_back(i);
    CHECK((named == std::vector<std::size_t>{Digest::SLICES}));
}

void an_empty_digest_is_due_once_an_interval() {
    Digest digest;
    int due = 0;
    for (std::size_t i = 0; i < 3 * Digest::SLICES; ++i) {
        slice(digest);
        due += digest.interval_over() ? 1 : 0;
    }
    CHECK_EQ(due, 3);
}

void random_changes_are_each_named_in_time() {
    Digest digest;
    std::mt19937 random(7);
    std::vector<Topic> topics(50);
    std::vector<std::size_t> changed(topics.size());  // slice of the first change not named yet; 0 = none
    for (std::size_t now = 1; now < 5000; ++now) {
        for (std::size_t i = random() % 4; i > 0; --i) {
            const std::size_t which = random() % topics.size();
            digest.add(topics[which]);
            if (changed[which] == 0) changed[which] = now;
        }
        for (const Topic* topic : slice(digest)) {
            auto& since = changed[static_cast<std::size_t>(topic - topics.data())];
            CHECK_EQ(now - since, Digest::SLICES - 1);
            since = 0;
        }
        for (const std::size_t since : changed) CHECK(since == 0 || now - since < Digest::SLICES);
    }
}

}  // namespace

int main() {
    a_change_is_named_within_an_interval_and_not_again();
    an_empty_digest_is_due_once_an_interval();
    random_changes_are_each_named_in_time();
    return check_failures;
}
