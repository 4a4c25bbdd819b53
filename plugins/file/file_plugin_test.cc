#include "plugins/file/file_plugin.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <random>

#include "base/base64.h"
#include "base/testing.h"
#include "tests/support/fake_agent.h"

namespace reeve::file {
namespace {

using test::Answer;
using test::FakeAgent;
using testing::HasSubstr;

std::string RandomBytes(size_t count) {
  std::mt19937_64 random(7);
  std::string bytes(count, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

std::string Encoded(std::string_view bytes) {
  return Base64Encode(AsBytes(bytes));
}

// A worker's plugin and a directory of files.
class FilePluginTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/reeve-file-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
    ASSERT_EQ(agent_.Load(), REEVE_OK);
  }
  void TearDown() override {
    for (const std::string& path : made_) ::unlink(path.c_str());
    ::rmdir(directory_.c_str());
  }

  std::string PathOf(const std::string& name) {
    made_.push_back(directory_ + "/" + name);
    return made_.back();
  }
  std::string MakeFile(const std::string& name, std::string_view content) {
    const std::string path = PathOf(name);
    const UniqueFd file = sys::Open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600).value();
    EXPECT_THAT(sys::WriteAll(file.get(), AsBytes(content)), IsOk());
    return path;
  }
  static std::string ContentOf(const std::string& path) { return sys::ReadFile(path, 64 << 20).value(); }

  Answer OpenAnswer(const std::string& path, const std::string& mode, uint32_t channel = 0) {
    return agent_.Call("guest-file-open", R"({"path": ")" + path + R"(", "mode": ")" + mode + "\"}", channel);
  }
  std::string Open(const std::string& path, const std::string& mode) {
    const Answer answer = OpenAnswer(path, mode);
    EXPECT_EQ(answer.status, REEVE_OK) << answer.text;
    return answer.value;
  }
  Answer Call(const std::string& verb, const std::string& handle, const std::string& more = "", uint32_t channel = 0) {
    const std::string rest = more.empty() ? "" : ", " + more;
    return agent_.Call("guest-file-" + verb, R"({"handle": )" + handle + rest + "}", channel);
  }
  std::string Read(const std::string& handle, int64_t count) {
    return Call("read", handle, R"("count": )" + std::to_string(count)).value;
  }
  Answer Write(const std::string& handle, const std::string& base64, const std::string& more = "") {
    return Call("write", handle, R"("buf-b64": ")" + base64 + "\"" + more);
  }
  static std::string ReadReply(std::string_view bytes, bool is_at_end) {
    return "{\"count\": " + std::to_string(bytes.size()) + ", \"buf-b64\": \"" + Encoded(bytes) +
           "\", \"eof\": " + (is_at_end ? "true" : "false") + "}";
  }

  FakeAgent agent_;
  std::string directory_;
  std::vector<std::string> made_;
};

TEST_F(FilePluginTest, HasTheSixCommandsOfTheSchema) {
  EXPECT_THAT(agent_.CommandNames(),
              testing::UnorderedElementsAre("guest-file-open", "guest-file-close", "guest-file-read",
                                            "guest-file-write", "guest-file-seek", "guest-file-flush"));
}

TEST(FilePluginStartTest, DoesNotStartWithoutHandleNumbers) {
  FakeAgent agent;
  agent.WithoutHandleBlock();
  EXPECT_EQ(agent.Load(), REEVE_ERROR_UNSUPPORTED);
}

// ---- open and close

TEST_F(FilePluginTest, HandlesGoUpFrom1000AndAreHeldUntilClosed) {
  const std::string path = MakeFile("a", "x");
  EXPECT_EQ(Open(path, "r"), "1000");
  EXPECT_EQ(Open(path, "r"), "1001");
  EXPECT_EQ(agent_.held(), 2u);
  EXPECT_EQ(Call("close", "1001").value, "{}");
  EXPECT_EQ(agent_.held(), 1u);
  EXPECT_EQ(Open(path, "r"), "1002");
}

TEST_F(FilePluginTest, ModeIsReadWhenAbsent) {
  const std::string path = MakeFile("a", "x");
  EXPECT_EQ(agent_.Call("guest-file-open", R"({"path": ")" + path + "\"}").value, "1000");
  EXPECT_THAT(Write("1000", "eA==").text, "failed to write to file: Bad file descriptor");
}

TEST_F(FilePluginTest, UnknownModeIsRefusedBeforeAnythingIsOpened) {
  const Answer answer = OpenAnswer("/x", "rw");
  EXPECT_EQ(answer.status, REEVE_ERROR_ARGUMENT);
  EXPECT_EQ(answer.text, "invalid file open mode 'rw'");
  EXPECT_TRUE(agent_.opens().empty());
}

TEST_F(FilePluginTest, OpenErrorHasTheHostsFrame) {
  EXPECT_EQ(OpenAnswer(directory_ + "/none", "rb").text,
            "failed to open file '" + directory_ + "/none' (mode: 'rb'): No such file or directory");
}

TEST_F(FilePluginTest, WhatIsNoPathIsNotAskedFor) {
  EXPECT_EQ(OpenAnswer("", "r").text, "failed to open file '' (mode: 'r'): No such file or directory");
  EXPECT_THAT(OpenAnswer("/etc/passwd\\u0000.txt", "r").text, HasSubstr("(mode: 'r'): Invalid argument"));
  EXPECT_TRUE(agent_.opens().empty());
}

TEST_F(FilePluginTest, PolicysReasonStandsInPlaceOfTheErrno) {
  agent_.RefuseOpens(EACCES, "/etc/shadow: Permission denied (policy rule 'logs' in p.yaml:3)");
  const Answer answer = OpenAnswer("/etc/shadow", "r");
  EXPECT_EQ(answer.status, REEVE_ERROR_DENIED);
  EXPECT_EQ(answer.text,
            "failed to open file '/etc/shadow' (mode: 'r'): Permission denied (policy rule 'logs' in p.yaml:3)");
}

TEST_F(FilePluginTest, RefusalWithoutErrnoSpeaksItsText) {
  agent_.RefuseOpens(0, "no answer within 5 s");
  EXPECT_EQ(OpenAnswer("/x", "r").text, "failed to open file '/x' (mode: 'r'): no answer within 5 s");
}

TEST_F(FilePluginTest, WritingModesCreateAndTruncateAsFopenDoes) {
  const std::string path = MakeFile("a", "old");
  Open(path, "r+");
  EXPECT_EQ(ContentOf(path), "old");
  Open(path, "a");
  EXPECT_EQ(ContentOf(path), "old");
  Open(path, "w");
  EXPECT_EQ(ContentOf(path), "");
  EXPECT_EQ(OpenAnswer(PathOf("new"), "r+").status, REEVE_ERROR_FAILED);
  Open(PathOf("new"), "w+");
}

TEST_F(FilePluginTest, CancelledOpenIsAnsweredOnceAndItsFileClosed) {
  agent_.HoldOpens();
  const auto answer = agent_.Begin("guest-file-open", R"({"path": "/dev/null"})");
  agent_.CancelRequest(agent_.last_request_id());
  EXPECT_TRUE(answer->is_finished);
  EXPECT_EQ(answer->status, REEVE_ERROR_CANCELLED);
  agent_.AnswerOpens();
  EXPECT_EQ(agent_.held(), 0u);
}

TEST_F(FilePluginTest, RefusesOneHandleMoreThanTheLimit) {
  for (size_t i = 0; i < HandleTable::kMaxHandles; ++i) Open("/dev/null", "r");
  const Answer answer = OpenAnswer("/dev/null", "r");
  EXPECT_EQ(answer.status, REEVE_ERROR_LIMIT);
  EXPECT_THAT(answer.text, HasSubstr("too many open handles"));
  Call("close", "1000");
  EXPECT_EQ(OpenAnswer("/dev/null", "r").value, "1256");
}

TEST_F(FilePluginTest, UnknownHandleIsRefusedByEveryCommand) {
  for (const auto& [verb, more] :
       std::vector<std::pair<std::string, std::string>>{{"close", ""},
                                                        {"read", ""},
                                                        {"write", R"("buf-b64": "")"},
                                                        {"flush", ""},
                                                        {"seek", R"("offset": 0, "whence": 0)"}}) {
    const Answer answer = Call(verb, "77", more);
    EXPECT_EQ(answer.status, REEVE_ERROR_NOT_FOUND) << verb;
    EXPECT_EQ(answer.text, "handle '77' has not been found") << verb;
  }
}

TEST_F(FilePluginTest, HandleOfAnotherChannelDoesNotExist) {
  OpenAnswer(MakeFile("a", "x"), "r", /*channel=*/1);
  EXPECT_EQ(Call("read", "1000", "", /*channel=*/2).text, "handle '1000' has not been found");
  EXPECT_EQ(Call("close", "1000", "", /*channel=*/2).text, "handle '1000' has not been found");
  EXPECT_EQ(Call("close", "1000", "", /*channel=*/1).status, REEVE_OK);
}

// ---- read

TEST_F(FilePluginTest, ReadsInTheHostsOrderOfMembers) {
  const std::string handle = Open(MakeFile("a", "hello"), "r");
  EXPECT_EQ(Read(handle, 100), R"({"count": 5, "buf-b64": "aGVsbG8=", "eof": true})");
}

TEST_F(FilePluginTest, EofOnlyWhenTheReadMetTheEnd) {
  const std::string handle = Open(MakeFile("a", "hello"), "r");
  EXPECT_EQ(Read(handle, 0), ReadReply("", false));
  EXPECT_EQ(Read(handle, 3), ReadReply("hel", false));
  EXPECT_EQ(Read(handle, 2), ReadReply("lo", false));
  EXPECT_EQ(Read(handle, 1), ReadReply("", true));
}

TEST_F(FilePluginTest, CountIs4096WhenAbsent) {
  const std::string content = RandomBytes(5000);
  const std::string handle = Open(MakeFile("a", content), "r");
  EXPECT_EQ(Call("read", handle).value, ReadReply(content.substr(0, 4096), false));
}

TEST_F(FilePluginTest, CountOutsideTheLimitsIsRefused) {
  const std::string handle = Open(MakeFile("a", "x"), "r");
  for (const char* count : {"-1", "50331649", "9223372036854775807"}) {
    const Answer answer = Call("read", handle, std::string(R"("count": )") + count);
    EXPECT_EQ(answer.text, std::string("value '") + count + "' is invalid for argument count");
    EXPECT_EQ(answer.status, REEVE_ERROR_ARGUMENT);
  }
  EXPECT_EQ(Read(handle, 50331648), ReadReply("x", true));
}

TEST_F(FilePluginTest, LargeReadsComeOutWholeWhateverTheSinkGrants) {
  const std::string content = RandomBytes(3 * FileReader::kPieceBytes + 1);
  const std::string path = MakeFile("a", content);
  for (uint64_t granted : {1, 5, 100, 255, 256, 257, 1000, 1 << 20}) {
    agent_.GrantAtMost(granted);
    const std::string handle = Open(path, "r");
    EXPECT_EQ(Read(handle, 48 << 20), ReadReply(content, true)) << granted;
    Call("close", handle);
  }
}

TEST_F(FilePluginTest, PieceSizesAroundTheBufferKeepCountAndEof) {
  const std::string content = RandomBytes(2 * FileReader::kPieceBytes);
  const std::string path = MakeFile("a", content);
  for (const size_t count : {FileReader::kPieceBytes - 1, FileReader::kPieceBytes, FileReader::kPieceBytes + 1,
                             content.size() - 1, content.size(), content.size() + 1}) {
    const std::string handle = Open(path, "r");
    EXPECT_EQ(Read(handle, static_cast<int64_t>(count)),
              ReadReply(std::string_view(content).substr(0, count), count > content.size()));
    Call("close", handle);
  }
}

TEST_F(FilePluginTest, FileThatShrinksDuringAReadIsAnErrorAndKeepsThePosition) {
  const std::string path = MakeFile("a", RandomBytes(4 * FileReader::kPieceBytes));
  const std::string handle = Open(path, "r");
  EXPECT_EQ(Read(handle, 3), ReadReply(ContentOf(path).substr(0, 3), false));
  bool has_shrunk = false;
  agent_.OnPiece([&] {
    if (!std::exchange(has_shrunk, true)) {
      EXPECT_EQ(::truncate(path.c_str(), 10), 0);
    }
  });
  const Answer answer = Call("read", handle, R"("count": 50331648)");
  EXPECT_EQ(answer.status, REEVE_ERROR_FAILED);
  EXPECT_EQ(answer.text, "failed to read file: it became shorter while it was read");
  EXPECT_EQ(Call("seek", handle, R"("offset": 0, "whence": 1)").value, R"({"eof": false, "position": 3})");
}

TEST_F(FilePluginTest, CancelledReadStopsAndKeepsThePosition) {
  const std::string handle = Open(MakeFile("a", RandomBytes(4 * FileReader::kPieceBytes)), "r");
  int pieces = 0;
  agent_.OnPiece([&] {
    if (++pieces == 3) agent_.CancelRequest(agent_.last_request_id());
  });
  EXPECT_EQ(Call("read", handle, R"("count": 50331648)").status, REEVE_ERROR_CANCELLED);
  EXPECT_EQ(Call("seek", handle, R"("offset": 0, "whence": 1)").value, R"({"eof": false, "position": 0})");
}

TEST_F(FilePluginTest, FileWithoutASizeIsReadToTheCount) {
  const std::string handle = Open("/dev/zero", "r");
  const std::string zeros(2 * FileReader::kPieceBytes, '\0');
  EXPECT_EQ(Read(handle, static_cast<int64_t>(zeros.size())), "{\"buf-b64\": \"" + Encoded(zeros) + "\", \"count\": " +
                                                                  std::to_string(zeros.size()) + ", \"eof\": false}");
}

TEST_F(FilePluginTest, EmptyPipeIsAnErrorAndAFullOneGivesWhatItHas) {
  const std::string path = PathOf("fifo");
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const std::string reading = Open(path, "r");
  const std::string writing = Open(path, "w");
  EXPECT_EQ(Call("read", reading).text, "failed to read file: Resource temporarily unavailable");
  Write(writing, Encoded("abc"));
  EXPECT_EQ(Read(reading, 100), ReadReply("abc", false));
  EXPECT_EQ(Call("seek", reading, R"("offset": 0, "whence": 1)").text, "failed to seek file: Illegal seek");
  Call("close", writing);
  EXPECT_EQ(Read(reading, 100), ReadReply("", true));
}

TEST_F(FilePluginTest, EndOfAFileWithoutASizeIsSeenBehindTheFirstPiece) {
  const std::string path = PathOf("fifo");
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const std::string reading = Open(path, "r");
  UniqueFd writer = sys::Open(path, O_WRONLY | O_CLOEXEC).value();
  ASSERT_GE(::fcntl(writer.get(), F_SETPIPE_SZ, 1 << 20), 1 << 20);
  const std::string content = RandomBytes(FileReader::kPieceBytes + 100);
  ASSERT_THAT(sys::WriteAll(writer.get(), AsBytes(content)), IsOk());
  writer.Reset();
  EXPECT_EQ(Read(reading, 48 << 20), "{\"buf-b64\": \"" + Encoded(content) +
                                         "\", \"count\": " + std::to_string(content.size()) + ", \"eof\": true}");
}

TEST_F(FilePluginTest, ReadOfAWriteOnlyHandleIsAnError) {
  EXPECT_EQ(Call("read", Open(PathOf("a"), "w")).text, "failed to read file: Bad file descriptor");
}

TEST_F(FilePluginTest, FortyEightMebibytesPassThroughASmallBuffer) {
#ifdef REEVE_SANITIZED
  GTEST_SKIP() << "a sanitizer's own memory hides the measure";
#endif
  const std::string path = PathOf("a");
  const UniqueFd file = sys::Open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600).value();
  ASSERT_EQ(::ftruncate(file.get(), 48 << 20), 0);
  const std::string handle = Open(path, "r");
  agent_.DropValues();
  const auto peak_kib = [] {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
  };
  const long before = peak_kib();
  const Answer answer = Call("read", handle, R"("count": 50331648)");
  EXPECT_EQ(answer.status, REEVE_OK);
  EXPECT_GT(answer.written_bytes, 64u << 20);
  EXPECT_LT(peak_kib() - before, 4096);
}

// ---- write, seek, flush

TEST_F(FilePluginTest, WriteIsInTheFileAtOnce) {
  const std::string path = PathOf("a");
  const std::string handle = Open(path, "w");
  EXPECT_EQ(Write(handle, Encoded("hello")).value, R"({"count": 5, "eof": false})");
  EXPECT_EQ(ContentOf(path), "hello");
  EXPECT_EQ(Call("flush", handle).value, "{}");
}

TEST_F(FilePluginTest, CountCutsTheData) {
  const std::string path = PathOf("a");
  const std::string handle = Open(path, "w");
  EXPECT_EQ(Write(handle, Encoded("hello"), R"(, "count": 2)").value, R"({"count": 2, "eof": false})");
  EXPECT_EQ(Write(handle, Encoded("hello"), R"(, "count": 0)").value, R"({"count": 0, "eof": false})");
  EXPECT_EQ(ContentOf(path), "he");
  for (const char* count : {"-1", "6"}) {
    EXPECT_EQ(Write(handle, Encoded("hello"), std::string(R"(, "count": )") + count).text,
              std::string("value '") + count + "' is invalid for argument count");
  }
  EXPECT_EQ(ContentOf(path), "he");
}

TEST_F(FilePluginTest, LineEndsInBase64AreSkipped) {
  const std::string path = PathOf("a");
  const std::string handle = Open(path, "w");
  EXPECT_EQ(Write(handle, R"(aGVs\r\nbG8=\n)").value, R"({"count": 5, "eof": false})");
  EXPECT_EQ(ContentOf(path), "hello");
}

TEST_F(FilePluginTest, BadBase64IsRefusedAndWritesNothing) {
  const std::string path = PathOf("a");
  const std::string handle = Open(path, "w");
  for (const char* text : {"====", "aGVsbG8=aGVs", "aGVsbG8", "aGk", "aGVs bG8=", "aG-_", "*"}) {
    const Answer answer = Write(handle, text);
    EXPECT_EQ(answer.text, "Base64 data contains invalid characters") << text;
    EXPECT_EQ(answer.status, REEVE_ERROR_ARGUMENT);
  }
  EXPECT_EQ(ContentOf(path), "");
}

TEST_F(FilePluginTest, LongWriteComesOutWhole) {
  const std::string path = PathOf("a");
  const std::string content = RandomBytes(2 * FileWriter::kPieceChars);
  const std::string handle = Open(path, "w");
  EXPECT_EQ(Write(handle, Encoded(content)).status, REEVE_OK);
  EXPECT_EQ(ContentOf(path), content);
  Open(path, "w");
  const std::string cut = std::to_string(FileWriter::kPieceChars + 7);
  Call("seek", handle, R"("offset": 0, "whence": "set")");
  EXPECT_EQ(Write(handle, Encoded(content), R"(, "count": )" + cut).status, REEVE_OK);
  EXPECT_EQ(ContentOf(path), content.substr(0, FileWriter::kPieceChars + 7));
}

TEST_F(FilePluginTest, BadCharacterAtTheEndOfALongWriteLeavesTheFileAsItWas) {
  const std::string path = PathOf("a");
  std::string text = Encoded(RandomBytes(2 * FileWriter::kPieceChars));
  text[text.size() - 2] = '*';
  EXPECT_EQ(Write(Open(path, "w"), text).text, "Base64 data contains invalid characters");
  EXPECT_EQ(ContentOf(path), "");
}

TEST_F(FilePluginTest, FullDiskIsTheErrorOfItsWrite) {
  const std::string handle = Open("/dev/full", "w");
  EXPECT_EQ(Write(handle, "eA==").text, "failed to write to file: No space left on device");
  EXPECT_EQ(Call("flush", handle).value, "{}");
  EXPECT_EQ(Call("close", handle).value, "{}");
}

TEST_F(FilePluginTest, FileGrowsToPolicysLimitAndNoFurther) {
  agent_.LimitFiles(8);
  const std::string path = PathOf("a");
  const std::string handle = Open(path, "w");
  EXPECT_EQ(Write(handle, Encoded("12345678")).status, REEVE_OK);
  EXPECT_EQ(Write(handle, Encoded("9")).text, "failed to write to file: File too large (policy allows 8 bytes)");
  Call("seek", handle, R"("offset": 7, "whence": 0)");
  EXPECT_EQ(Write(handle, Encoded("X")).status, REEVE_OK);
  EXPECT_EQ(Call("seek", handle, R"("offset": 0, "whence": 0)").status, REEVE_OK);
  EXPECT_EQ(Write(handle, Encoded("123456789"), R"(, "count": 8)").status, REEVE_OK);
  EXPECT_EQ(ContentOf(path), "12345678");
}

TEST_F(FilePluginTest, AppendCountsFromTheEndOfTheFile) {
  agent_.LimitFiles(8);
  const std::string path = MakeFile("a", "123456");
  const std::string handle = Open(path, "a");
  EXPECT_THAT(Write(handle, Encoded("abc")).text, HasSubstr("File too large"));
  EXPECT_EQ(Write(handle, Encoded("ab")).status, REEVE_OK);
  EXPECT_EQ(ContentOf(path), "123456ab");
}

TEST_F(FilePluginTest, AppendWritesAtTheEndWhereverThePositionIs) {
  const std::string path = MakeFile("a", "one");
  const std::string handle = Open(path, "a+");
  EXPECT_EQ(Read(handle, 3), ReadReply("one", false));
  Call("seek", handle, R"("offset": 0, "whence": "set")");
  Write(handle, Encoded("two"));
  EXPECT_EQ(ContentOf(path), "onetwo");
}

TEST_F(FilePluginTest, ReadGoesOnBehindAWrite) {
  const std::string handle = Open(MakeFile("a", "abcdef"), "r+");
  Write(handle, Encoded("XY"));
  EXPECT_EQ(Read(handle, 2), ReadReply("cd", false));
  Write(handle, Encoded("Z"));
  EXPECT_EQ(Read(handle, 9), ReadReply("f", true));
}

TEST_F(FilePluginTest, WhenceIsANumberOrAName) {
  const std::string handle = Open(MakeFile("a", "abcdef"), "r");
  const std::pair<const char*, int> rows[] = {
      {R"("offset": 4, "whence": 0)", 4},     {R"("offset": -1, "whence": 1)", 3},
      {R"("offset": -6, "whence": 2)", 0},    {R"("offset": 2, "whence": "set")", 2},
      {R"("offset": 1, "whence": "cur")", 3}, {R"("offset": 10, "whence": "end")", 16}};
  for (const auto& [arguments, position] : rows) {
    EXPECT_EQ(Call("seek", handle, arguments).value,
              "{\"eof\": false, \"position\": " + std::to_string(position) + "}");
  }
}

TEST_F(FilePluginTest, OtherWhencesAndPositionsBeforeTheFileAreRefused) {
  const std::string handle = Open(MakeFile("a", "x"), "r");
  for (const char* code : {"3", "4", "-1", "4294967296"}) {
    EXPECT_EQ(Call("seek", handle, std::string(R"("offset": 0, "whence": )") + code).text,
              std::string("invalid whence code ") + code);
  }
  EXPECT_EQ(Call("seek", handle, R"("offset": -1, "whence": 0)").text, "failed to seek file: Invalid argument");
}

}  // namespace
}  // namespace reeve::file
