#include "agent/core/arguments.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/json_parser.h"
#include "base/json_writer.h"
#include "base/testing.h"

namespace reeve::core {
namespace {

using config::CommandSpec;
using config::TypeSpec;
using Kind = TypeSpec::Kind;

// The types of QEMU's schema that differ in kind, flat as a manifest's table.
enum : uint32_t {
  kStr,
  kInt,
  kUint64,
  kBool,
  kNumber,
  kBase64,
  kAny,
  kStrList,
  kWhenceEnum,
  kWhence,
  kCaptureEnum,
  kCapture,
  kVcpu,
  kVcpuList,
  kBlock,
  kBlockList,
  kSyncArgs,
  kSeekArgs,
  kExecArgs,
  kVcpuArgs,
  kBlockArgs,
  kMiscArgs,
  kNoArgs
};

TypeSpec Plain(Kind kind) {
  TypeSpec type;
  type.kind = kind;
  return type;
}

TypeSpec Object(std::vector<TypeSpec::MemberSpec> members) {
  TypeSpec type = Plain(Kind::kObject);
  type.members = std::move(members);
  return type;
}

TypeSpec ListOf(uint32_t element) {
  TypeSpec type = Plain(Kind::kList);
  type.element = element;
  return type;
}

TypeSpec EnumOf(std::vector<std::string> values) {
  TypeSpec type = Plain(Kind::kEnum);
  type.enum_values = std::move(values);
  return type;
}

TypeSpec Alternate(std::string name, std::vector<uint32_t> alternatives) {
  TypeSpec type = Plain(Kind::kAlternate);
  type.name = std::move(name);
  type.alternatives = std::move(alternatives);
  return type;
}

CommandSpec CommandOf(uint32_t arguments_type) {
  CommandSpec command;
  command.arguments = arguments_type;
  return command;
}

std::vector<TypeSpec> Types() {
  return {
      Plain(Kind::kString),
      Plain(Kind::kInt),
      Plain(Kind::kUint64),
      Plain(Kind::kBool),
      Plain(Kind::kNumber),
      Plain(Kind::kBase64),
      Plain(Kind::kAny),
      ListOf(kStr),
      EnumOf({"set", "cur", "end"}),
      Alternate("GuestFileWhence", {kInt, kWhenceEnum}),
      EnumOf({"none", "merged"}),
      Alternate("GuestExecCaptureOutput", {kBool, kCaptureEnum}),
      Object({{"logical-id", kInt}, {"online", kBool}, {"can-offline", kBool, true}}),
      ListOf(kVcpu),
      Object({{"phys-index", kUint64}, {"online", kBool}}),
      ListOf(kBlock),
      Object({{"id", kInt}}),
      Object({{"handle", kInt}, {"offset", kInt}, {"whence", kWhence}}),
      Object(
          {{"path", kStr}, {"arg", kStrList, true}, {"input-data", kBase64, true}, {"capture-output", kCapture, true}}),
      Object({{"vcpus", kVcpuList}}),
      Object({{"mem-blks", kBlockList}}),
      Object({{"number", kNumber, true}, {"any", kAny, true}, {"vcpu", kVcpu, true}, {"bool", kBool, true}}),
      Object({}),
  };
}

struct Row {
  std::string_view claim;
  uint32_t arguments_type;
  std::string_view arguments;
  std::string_view outcome;  // the error, or the arguments as they are handed on
};

class ArgumentsTest : public testing::TestWithParam<Row> {};

TEST_P(ArgumentsTest, AnswersAsQapi) {
  Result<json::Value> value = json::Parse(GetParam().arguments);
  REEVE_ASSERT_OK(value);
  const std::vector<TypeSpec> types = Types();
  const Status status = CheckArguments(types, CommandOf(GetParam().arguments_type), *value);
  EXPECT_EQ(status ? json::Write(*value) : status.error().message(), GetParam().outcome);
}

constexpr Row kRows[] = {
    {"AllThatIsNeeded", kSyncArgs, R"({"id": 5})", R"({"id": 5})"},
    {"SixtyFourBits", kSyncArgs, R"({"id": -9223372036854775808})", R"({"id": -9223372036854775808})"},
    {"Missing", kSyncArgs, "{}", "Parameter 'id' is missing"},
    {"Unexpected", kSyncArgs, R"({"id": 1, "foo": 2})", "Parameter 'foo' is unexpected"},
    {"UnexpectedWhereNothingIsTaken", kNoArgs, R"({"foo": 2})", "Parameter 'foo' is unexpected"},
    {"KnownAreCheckedFirst", kSyncArgs, R"({"foo": 2})", "Parameter 'id' is missing"},
    {"SchemaOrderDecides", kSeekArgs, R"({"whence": true, "offset": "x"})", "Parameter 'handle' is missing"},
    {"SchemaOrderNotInputOrder", kSeekArgs, R"({"whence": true, "offset": "x", "handle": 1})",
     "Invalid parameter type for 'offset', expected: integer"},
    {"IntFromString", kSyncArgs, R"({"id": "5"})", "Invalid parameter type for 'id', expected: integer"},
    {"IntFromNull", kSyncArgs, R"({"id": null})", "Invalid parameter type for 'id', expected: integer"},
    {"IntFromBool", kSyncArgs, R"({"id": true})", "Invalid parameter type for 'id', expected: integer"},
    {"IntFromFloat", kSyncArgs, R"({"id": 1.0})", "Invalid parameter type for 'id', expected: integer"},
    {"IntAboveInt64", kSyncArgs, R"({"id": 9223372036854775808})",
     "Invalid parameter type for 'id', expected: integer"},
    {"StringFromInt", kExecArgs, R"({"path": 1})", "Invalid parameter type for 'path', expected: string"},
    {"Base64FromList", kExecArgs, R"({"path": "a", "input-data": []})",
     "Invalid parameter type for 'input-data', expected: string"},
    {"ListFromString", kExecArgs, R"({"path": "a", "arg": "b"})", "Invalid parameter type for 'arg', expected: array"},
    {"ListElement", kExecArgs, R"({"path": "a", "arg": ["b", 2]})",
     "Invalid parameter type for 'arg[1]', expected: string"},
    {"NullIsNotAbsent", kExecArgs, R"({"path": "a", "arg": null})",
     "Invalid parameter type for 'arg', expected: array"},
    {"EmptyList", kExecArgs, R"({"path": "a", "arg": []})", R"({"path": "a", "arg": []})"},
    {"NestedMissing", kVcpuArgs, R"({"vcpus": [{"logical-id": 0}]})", "Parameter 'vcpus[0].online' is missing"},
    {"NestedUnexpected", kVcpuArgs, R"({"vcpus": [{"logical-id": 0, "online": true, "x": 1}]})",
     "Parameter 'vcpus[0].x' is unexpected"},
    {"NestedType", kVcpuArgs, R"({"vcpus": [{"logical-id": 0, "online": true}, {"logical-id": 0, "online": 1}]})",
     "Invalid parameter type for 'vcpus[1].online', expected: boolean"},
    {"ElementIsNoObject", kVcpuArgs, R"({"vcpus": [1]})", "Invalid parameter type for 'vcpus[0]', expected: object"},
    {"MemberIsNoObject", kMiscArgs, R"({"vcpu": []})", "Invalid parameter type for 'vcpu', expected: object"},
    {"MemberOfMember", kMiscArgs, R"({"vcpu": {"logical-id": 1}})", "Parameter 'vcpu.online' is missing"},
    {"Uint64Wraps", kBlockArgs, R"({"mem-blks": [{"phys-index": -1, "online": true}]})",
     R"({"mem-blks": [{"phys-index": 18446744073709551615, "online": true}]})"},
    {"Uint64AsItIs", kBlockArgs, R"({"mem-blks": [{"phys-index": 18446744073709551615, "online": true}]})",
     R"({"mem-blks": [{"phys-index": 18446744073709551615, "online": true}]})"},
    {"Uint64FromFloat", kBlockArgs, R"({"mem-blks": [{"phys-index": 1.5, "online": true}]})",
     "Parameter 'mem-blks[0].phys-index' expects uint64"},
    {"Uint64FromString", kBlockArgs, R"({"mem-blks": [{"phys-index": "1", "online": true}]})",
     "Parameter 'mem-blks[0].phys-index' expects uint64"},
    {"EnumValue", kSeekArgs, R"({"handle": 1, "offset": 0, "whence": "SEEK_SET"})",
     "Parameter 'whence' does not accept value 'SEEK_SET'"},
    {"EnumChosen", kSeekArgs, R"({"handle": 1, "offset": 0, "whence": "cur"})",
     R"({"handle": 1, "offset": 0, "whence": "cur"})"},
    {"AlternateMissing", kSeekArgs, R"({"handle": 1, "offset": 0})", "Parameter 'whence' is missing"},
    {"AlternateOfWrongType", kSeekArgs, R"({"handle": 1, "offset": 0, "whence": []})",
     "Invalid parameter type for 'whence', expected: GuestFileWhence"},
    {"AlternateOfNull", kSeekArgs, R"({"handle": 1, "offset": 0, "whence": null})",
     "Invalid parameter type for 'whence', expected: GuestFileWhence"},
    {"AlternateTakesTheNumberBranchForAFloat", kSeekArgs, R"({"handle": 1, "offset": 0, "whence": 1.5})",
     "Invalid parameter type for 'whence', expected: integer"},
    {"AlternateOptional", kExecArgs, R"({"path": "a", "capture-output": 1})",
     "Invalid parameter type for 'capture-output', expected: GuestExecCaptureOutput"},
    {"AlternateBool", kExecArgs, R"({"path": "a", "capture-output": true})",
     R"({"path": "a", "capture-output": true})"},
    {"NumberFromString", kMiscArgs, R"({"number": "1"})", "Invalid parameter type for 'number', expected: number"},
    {"NumberFromInt", kMiscArgs, R"({"number": 1})", R"({"number": 1})"},
    {"NumberFromFloat", kMiscArgs, R"({"number": 1.5})", R"({"number": 1.5})"},
    {"BoolFromInt", kMiscArgs, R"({"bool": 1})", "Invalid parameter type for 'bool', expected: boolean"},
    {"AnyIsAnything", kMiscArgs, R"({"any": [null, {"a": 1.5}]})", R"({"any": [null, {"a": 1.5}]})"},
};
INSTANTIATE_TEST_SUITE_P(Rows, ArgumentsTest, testing::ValuesIn(kRows),
                         [](const auto& row) { return std::string(row.param.claim); });

TEST(ArgumentsErrorTest, FailureIsAnInvalidArgument) {
  json::Value empty{json::Object()};
  EXPECT_THAT(CheckArguments(Types(), CommandOf(kSyncArgs), empty), FailsWith(Code::kInvalidArgument));
  json::Value list{json::List()};
  EXPECT_THAT(CheckArguments(Types(), CommandOf(kSyncArgs), list), FailsWith(Code::kInvalidArgument));
}

}  // namespace
}  // namespace reeve::core
