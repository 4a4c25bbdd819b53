#include <signal.h>
#include <sys/wait.h>

#include <ostream>

#include "tests/abi/worker_harness.h"

namespace reeve::abi_test {
namespace {

struct Bad {
  const char* plugin;
  const char* says;  // part of what the worker logs
};
std::ostream& operator<<(std::ostream& out, const Bad& bad) {
  return out << bad.plugin;
}

class BadPluginTest : public testing::TestWithParam<Bad> {};

// It never says kReady, says why, and ends with an error: it was not killed, and did not serve.
TEST_P(BadPluginTest, IsRefusedWithAReason) {
  WorkerHarness worker(RecordOfBad(GetParam().plugin));
  worker.LetLoad();
  const auto status = worker.WaitForEnd();
  ASSERT_TRUE(status) << "it still runs\n" << worker.log();
  EXPECT_TRUE(WIFEXITED(*status) && WEXITSTATUS(*status) == 1) << *status;
  EXPECT_THAT(worker.log(), testing::HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(Each, BadPluginTest,
                         testing::Values(Bad{"bad_no_symbol", "does not export reeve_plugin_query"},  //
                                         Bad{"does_not_exist", "load "},                              //
                                         Bad{"bad_major", "is of ABI 2.0"},                           //
                                         Bad{"bad_draft", "built for draft 1"},                       //
                                         Bad{"bad_min_minor", "needs an agent of ABI 1.99"},          //
                                         Bad{"bad_descriptor_size", "descriptor is too short"},       //
                                         Bad{"bad_null_descriptor", "gave no descriptor"},            //
                                         Bad{"bad_query_fails", "query failed with status -9"},       //
                                         Bad{"bad_id", "id is org.reeve.other"},                      //
                                         Bad{"bad_version", "version is 2.0.0"},                      //
                                         Bad{"bad_null_commands", "no commands"},                     //
                                         Bad{"bad_command_count", "more than 256"},                   //
                                         Bad{"bad_command_size", "none that a command can have"},     //
                                         Bad{"bad_command_sizes", "differ in size"},                  //
                                         Bad{"bad_reserved", "reserved field"},                       //
                                         Bad{"bad_empty_name", "name is empty"},                      //
                                         Bad{"bad_duplicate", "bad-one twice"},                       //
                                         Bad{"bad_names", "lacks the command bad-two"},               //
                                         Bad{"bad_more_names", "does not name"},                      //
                                         Bad{"bad_null_create", "no create"},                         //
                                         Bad{"bad_create_fails", "create failed with status -9"},     //
                                         Bad{"bad_throws", "thrown in create"},                       //
                                         Bad{"bad_no_invoke", "no invoke"},                           //
                                         Bad{"bad_concurrency", "more requests at once"},             //
                                         Bad{"bad_plugin_size", "changed the size"},                  //
                                         Bad{"bad_activate_fails", "activate failed with status -3"}),
                         [](const auto& each) { return each.param.plugin; });

TEST(BadPluginTest, TheGoodOneServesInTheOrderOfItsManifest) {
  WorkerHarness worker(RecordOfBad("good"));
  worker.LetServe();
  EXPECT_EQ(worker.Call(0, "{}").status, 0);
  EXPECT_EQ(worker.Call(1, "{}").json, "");
}

TEST(BadPluginTest, OneOfALaterMinorServesAndItsLongerStructsAreSteppedThrough) {
  WorkerHarness worker(RecordOfBad("good_newer"));
  worker.LetServe();
  EXPECT_EQ(worker.Call(0, "{}").json, "2");  // the manifest lists bad-two first
  EXPECT_EQ(worker.Call(1, "{}").json, "1");
}

class DyingPluginTest : public testing::TestWithParam<const char*> {};

// An exception cannot pass through the loader's C code: it ends the process, as a trap does.
TEST_P(DyingPluginTest, TakesOnlyItsOwnProcess) {
  WorkerHarness worker(RecordOfBad(GetParam()));
  worker.LetLoad();
  const auto status = worker.WaitForEnd();
  ASSERT_TRUE(status) << "it still runs\n" << worker.log();
  EXPECT_NE(*status, 0);
  EXPECT_FALSE(worker.has_said_ready());
}

INSTANTIATE_TEST_SUITE_P(Each, DyingPluginTest, testing::Values("bad_constructor", "bad_constructor_throws"),
                         [](const auto& each) { return each.param; });

TEST(BadPluginTest, OneThatHangsNeverSaysReady) {
  WorkerHarness worker(RecordOfBad("bad_hangs"));
  worker.LetLoad();
  // It has been told to load and does not end of its own: the warden's limit ends it, as the harness does here.
  EXPECT_FALSE(worker.SaysAnythingWithin(std::chrono::milliseconds(300)));
}

TEST(BadPluginTest, AStatusThatDoesNotExistIsAFailure) {
  WorkerHarness worker(RecordOfBad("bad_invoke_status"));
  worker.LetServe();
  const auto reply = worker.Call(0, "{}");
  EXPECT_EQ(reply.status, -1);
  EXPECT_FALSE(reply.text.empty());
}

}  // namespace
}  // namespace reeve::abi_test
