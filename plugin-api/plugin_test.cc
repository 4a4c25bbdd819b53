#include "reeve/plugin.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace {

// A sink that remembers.
struct Recorder {
  reeve_sink sink{};
  std::string written;
  std::vector<std::pair<int32_t, std::string>> finished;

  Recorder() {
    sink.struct_size = sizeof sink;
    sink.write = [](reeve_sink* s, const void* bytes, uint64_t count) {
      Of(s).written.append(static_cast<const char*>(bytes), count);
      return int32_t{REEVE_OK};
    };
    sink.finish = [](reeve_sink* s, int32_t status, reeve_str text) {
      Of(s).finished.emplace_back(status, std::string(text.p == nullptr ? "" : text.p, text.n));
    };
    sink.want_settled = [](reeve_sink*) {};
    sink.is_cancelled = [](const reeve_sink*) { return uint32_t{0}; };
  }
  static Recorder& Of(reeve_sink* sink) { return *reinterpret_cast<Recorder*>(sink); }
};

reeve::plugin::Reply kept;

class Tester : public reeve::plugin::Plugin {
 public:
  using Plugin::Plugin;
  void Echo(const Request& request, Reply& reply) { reply.Return(request.arguments.Find("value")->raw()); }
  void Throw(const Request&, Reply&) { throw std::runtime_error("it broke"); }
  void Refuse(const Request&, Reply&) { throw reeve::plugin::Failure(REEVE_ERROR_DENIED, "not you"); }
  void Forget(const Request&, Reply&) {}
  void Keep(const Request&, Reply& reply) { kept = std::move(reply); }
  void KeepAndThrow(const Request&, Reply& reply) {
    kept = std::move(reply);
    throw std::runtime_error("too late");
  }
};

constexpr reeve::plugin::Command<Tester> kCommands[] = {
    {"echo", &Tester::Echo},     {"throw", &Tester::Throw}, {"refuse", &Tester::Refuse},
    {"forget", &Tester::Forget}, {"keep", &Tester::Keep},   {"keep-and-throw", &Tester::KeepAndThrow},
};

}  // namespace

REEVE_PLUGIN_BY_HAND(Tester, (reeve::plugin::Identity{"org.reeve.tester", "1", "Reeve", "none", 8}), kCommands)

namespace {

class PluginTest : public testing::Test {
 protected:
  PluginTest() {
    agent_.struct_size = sizeof agent_;
    agent_.get_interface = [](const reeve_agent*, reeve_str) { return static_cast<const void*>(nullptr); };
    agent_.log = [](const reeve_agent*, uint32_t, reeve_str) {};
    EXPECT_EQ(reeve_plugin_query(&agent_, &descriptor_), REEVE_OK);
    plugin_.struct_size = sizeof plugin_;
    EXPECT_EQ(descriptor_->create(&agent_, &plugin_), REEVE_OK);
  }
  ~PluginTest() override {
    kept = {};
    plugin_.destroy(plugin_.self);
  }
  void Invoke(uint32_t command, std::string_view arguments = "{}") {
    const reeve_request request{sizeof request, command, 1, {arguments.data(), arguments.size()}, 0, 0, 0, 0};
    EXPECT_EQ(plugin_.invoke(plugin_.self, &request, &recorder_.sink), REEVE_OK);
  }

  reeve_agent agent_{};
  const reeve_descriptor* descriptor_ = nullptr;
  reeve_plugin plugin_{};
  Recorder recorder_;
};

using Finished = std::vector<std::pair<int32_t, std::string>>;

TEST_F(PluginTest, DescribesItsTable) {
  EXPECT_EQ(descriptor_->command_count, 6u);
  EXPECT_EQ(reeve::plugin::ViewOf(descriptor_->commands[2].name), "refuse");
  EXPECT_EQ(plugin_.max_concurrency, 8u);
}

TEST_F(PluginTest, AnswersAtOnce) {
  Invoke(0, R"({"value": [1, "x"]})");
  EXPECT_EQ(recorder_.written, R"([1, "x"])");
  EXPECT_EQ(recorder_.finished, (Finished{{REEVE_OK, ""}}));
}

TEST_F(PluginTest, AnExceptionBecomesTheAnswer) {
  Invoke(1);
  Invoke(2);
  EXPECT_EQ(recorder_.finished, (Finished{{REEVE_ERROR_FAILED, "it broke"}, {REEVE_ERROR_DENIED, "not you"}}));
}

TEST_F(PluginTest, AForgottenReplyIsAnsweredWithAnError) {
  Invoke(3);
  EXPECT_EQ(recorder_.finished, (Finished{{REEVE_ERROR_FAILED, "the plugin gave no answer"}}));
}

TEST_F(PluginTest, AKeptReplyIsAnsweredLaterAndOnce) {
  Invoke(4);
  EXPECT_TRUE(recorder_.finished.empty());
  kept.Return("{}");
  EXPECT_FALSE(kept.is_open());
  EXPECT_EQ(recorder_.finished, (Finished{{REEVE_OK, ""}}));
}

TEST_F(PluginTest, AnExceptionAfterTheReplyWasKeptDoesNotAnswerIt) {
  Invoke(5);
  EXPECT_TRUE(recorder_.finished.empty());
  kept.Fail(REEVE_ERROR_BUSY, "later");
  EXPECT_EQ(recorder_.finished, (Finished{{REEVE_ERROR_BUSY, "later"}}));
}

}  // namespace
