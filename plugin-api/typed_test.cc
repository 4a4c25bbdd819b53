#include "reeve/typed.hpp"

#include <gtest/gtest.h>

#include "reeve/plugin.hpp"
#include "testing_commands.h"
#include "testing_commands.hpp"

namespace {

using namespace testing_manifest;
using reeve::plugin::JsonValue;
using reeve::plugin::TypedReader;

static_assert(Manifest::kId == "com.example.testing" && Manifest::kVersion == "1.2.3");
static_assert(Manifest::kVendor == "Example" && Manifest::kLicence == "Apache-2.0");
static_assert(Manifest::Commands::kCount == TESTING_COMMAND_COUNT);
static_assert(Manifest::kNames[TESTING_COM_EXAMPLE_TESTING_NOTHING] == "__com.example_testing-nothing");
static_assert(Manifest::Commands::kHas<Paint> && Manifest::Commands::kHas<TestingNothing>);
static_assert(!Manifest::Commands::kHas<Place>);

template <typename T>
std::string Written(const T& value) {
  reeve::plugin::JsonWriter json;
  reeve::plugin::WriteValue(json, value);
  return json.text();
}

// The member at which reading stops, or "".
template <typename T>
std::string BadMember(std::string_view json) {
  T value;
  TypedReader reader;
  if (reader.Read(JsonValue(json), value)) return "";
  return reader.bad_member().empty() ? "(no object)" : std::string(reader.bad_member());
}

TEST(TypedTest, EachMemberComesToItsPlace) {
  const std::string json =
      R"({"colour": "dark-green", "where": {"x": 0.5, "name": "a\nb"}, "count": -1, "words": ["a", ""],
      "data": "YQ==", "is-dry": true, "default": [1], "tree": {"value": 1, "kids": [{"value": 2}], "twin": {"value": 3}}})";
  Paint paint;
  TypedReader reader;
  ASSERT_TRUE(reader.Read(JsonValue(json), paint)) << reader.bad_member();
  EXPECT_EQ(paint.colour, Colour::kDarkGreen);
  EXPECT_EQ(std::get<Place>(paint.where).x, 0.5);
  EXPECT_EQ(std::get<Place>(paint.where).name, "a\nb");
  EXPECT_EQ(paint.count, UINT64_MAX);
  EXPECT_EQ(paint.words, (std::vector<std::string>{"a", ""}));
  EXPECT_EQ(paint.data->encoded.data(), json.data() + json.find("YQ=="));  // not copied
  EXPECT_EQ(paint.is_dry, true);
  EXPECT_EQ(paint.default_->raw(), "[1]");
  EXPECT_EQ(paint.tree->kids->at(0).value, 2);
  EXPECT_EQ(paint.tree->twin->raw(), R"({"value": 3})");
}

TEST(TypedTest, WhatIsAbsentIsAbsent) {
  Paint paint;
  TypedReader reader;
  ASSERT_TRUE(reader.Read(JsonValue(R"({"colour": "red", "where": 7})"), paint));
  EXPECT_EQ(std::get<int64_t>(paint.where), 7);
  EXPECT_FALSE(paint.count || paint.words || paint.data || paint.is_dry || paint.default_ || paint.tree);
}

TEST(TypedTest, AMistakeIsNamedByItsMember) {
  EXPECT_EQ(BadMember<Paint>(R"({"where": 7})"), "colour");
  EXPECT_EQ(BadMember<Paint>(R"({"colour": "blue", "where": 7})"), "colour");
  EXPECT_EQ(BadMember<Paint>(R"({"colour": "red", "where": true})"), "where");
  EXPECT_EQ(BadMember<Paint>(R"({"colour": "red", "where": {"x": 1, "name": 2}})"), "where");
  EXPECT_EQ(BadMember<Paint>(R"({"colour": "red", "where": 7, "words": ["a", 1]})"), "words");
  EXPECT_EQ(BadMember<Paint>(R"({"colour": "red", "where": 7, "words": "a"})"), "words");
  EXPECT_EQ(BadMember<Paint>(R"({"colour": "red", "where": 7, "tree": {"value": 1, "kids": [{}]}})"), "tree");
  EXPECT_EQ(BadMember<Paint>("[]"), "(no object)");
  EXPECT_EQ(BadMember<TestingNothing>("{}"), "");
}

TEST(TypedTest, WhatIsWrittenIsReadAgain) {
  const std::string json =
      R"({"colour": "red", "where": "dark-green", "count": 3, "words": ["\u0001"], "data": "YQ==", "is-dry": false, "default": null, "tree": {"value": 1, "kids": []}})";
  Paint paint;
  TypedReader reader;
  ASSERT_TRUE(reader.Read(JsonValue(json), paint));
  EXPECT_EQ(Written(paint), json);
}

TEST(TypedTest, WritesWhatARepliesStructHasOfItsOwn) {
  struct Load {
    double average = 0.5;
    uint32_t cores = 4;
    std::optional<std::string> note;
    std::string_view kind = "x";
    std::optional<std::vector<int>> list = std::vector<int>{1, -2};
    static constexpr auto Members() {
      return std::make_tuple(reeve::plugin::Member{"average", &Load::average},
                             reeve::plugin::Member{"cores", &Load::cores}, reeve::plugin::Member{"note", &Load::note},
                             reeve::plugin::Member{"kind", &Load::kind}, reeve::plugin::Member{"list", &Load::list});
    }
  };
  EXPECT_EQ(Written(Load{}), R"({"average": 0.5, "cores": 4, "kind": "x", "list": [1, -2]})");
  EXPECT_EQ(Written(std::vector<std::optional<int>>{1, std::nullopt}), "[1, null]");
  EXPECT_EQ(Written("text"), "\"text\"");
}

// A plugin out of a manifest: its two commands, handled in another order than they are declared.
class Painter : public reeve::plugin::Plugin {
 public:
  static constexpr uint32_t kMaxConcurrency = 3;
  using Plugin::Plugin;
  void Nothing(const Request& request, Reply& reply) { reply.Return(request.arguments.Has("x") ? "1" : "\"nothing\""); }
  void DoPaint(const Request& request, const Paint& paint, Reply& reply) {
    last = CancellationOf(request);
    reply.ReturnValue(paint.colour);
  }
  static inline reeve::plugin::Cancellation last;
};
using Table =
    reeve::plugin::ManifestTable<Painter, Manifest, reeve::plugin::kUntyped<TestingNothing, &Painter::Nothing>,
                                 &Painter::DoPaint>;
using Entry = reeve::plugin::Entry<Painter, Table>;

struct FakeSink : reeve_sink {
  std::string written, text;
  int32_t status = 1;
  FakeSink() : reeve_sink{} {
    struct_size = sizeof(reeve_sink);
    write = [](reeve_sink* sink, const void* bytes, uint64_t count) {
      static_cast<FakeSink*>(sink)->written.append(static_cast<const char*>(bytes), count);
      return int32_t{REEVE_OK};
    };
    finish = [](reeve_sink* sink, int32_t its_status, reeve_str its_text) {
      static_cast<FakeSink*>(sink)->status = its_status;
      static_cast<FakeSink*>(sink)->text = reeve::plugin::ViewOf(its_text);
    };
  }
};

class ManifestTableTest : public testing::Test {
 protected:
  ManifestTableTest() {
    agent_.struct_size = sizeof agent_;
    agent_.get_interface = [](const reeve_agent*, reeve_str) { return static_cast<const void*>(nullptr); };
    agent_.log = [](const reeve_agent*, uint32_t, reeve_str) {};
    EXPECT_EQ(Entry::Descriptor()->create(&agent_, &plugin_), REEVE_OK);
  }
  ~ManifestTableTest() override { plugin_.destroy(plugin_.self); }
  FakeSink Invoke(uint32_t command, std::string_view arguments) {
    FakeSink sink;
    const reeve_request request{sizeof request, command, 1, {arguments.data(), arguments.size()}, 0, 0, 0, 0};
    EXPECT_EQ(plugin_.invoke(plugin_.self, &request, &sink), REEVE_OK);
    return sink;
  }
  reeve_agent agent_{};
  reeve_plugin plugin_{};
};

TEST_F(ManifestTableTest, DescribesTheManifest) {
  const reeve_descriptor& descriptor = *Entry::Descriptor();
  EXPECT_EQ(reeve::plugin::ViewOf(descriptor.id), "com.example.testing");
  EXPECT_EQ(descriptor.command_count, 2u);
  EXPECT_EQ(reeve::plugin::ViewOf(descriptor.commands[1].name), "__com.example_testing-nothing");
  EXPECT_EQ(plugin_.max_concurrency, 3u);
}

TEST_F(ManifestTableTest, EachCommandFindsItsHandler) {
  EXPECT_EQ(Invoke(TESTING_COM_EXAMPLE_TESTING_NOTHING, "{}").written, "\"nothing\"");
  EXPECT_EQ(Invoke(TESTING_COM_EXAMPLE_PAINT, R"({"colour": "dark-green", "where": 1})").written, "\"dark-green\"");
}

TEST_F(ManifestTableTest, ArgumentsThatAreNotOfTheManifestAreRefused) {
  const FakeSink sink = Invoke(TESTING_COM_EXAMPLE_PAINT, R"({"colour": "blue", "where": 1})");
  EXPECT_EQ(sink.status, REEVE_ERROR_ARGUMENT);
  EXPECT_EQ(sink.text, "argument 'colour' is not as the manifest declares it");
}

TEST_F(ManifestTableTest, ACancelledRequestsTokenTellsIt) {
  EXPECT_FALSE(reeve::plugin::Cancellation().is_cancelled());
  Invoke(TESTING_COM_EXAMPLE_PAINT, R"({"colour": "red", "where": 1})");
  plugin_.cancel(plugin_.self, 2);
  EXPECT_FALSE(Painter::last.is_cancelled());
  plugin_.cancel(plugin_.self, 1);
  EXPECT_TRUE(Painter::last.is_cancelled());
}

}  // namespace
