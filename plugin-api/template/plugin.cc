#include "reeve/plugin.hpp"
#include "mine_commands.hpp"

namespace {

class Mine : public reeve::plugin::Plugin {
 public:
  using Plugin::Plugin;

  void Greet(const Request& /*request*/, const mine_manifest::MineGreet& arguments, Reply& reply) {
    const int64_t times = arguments.times.value_or(1);
    if (times < 1 || times > 10) throw reeve::plugin::Failure(REEVE_ERROR_ARGUMENT, "times must be from 1 to 10");
    reply.ReturnValue(std::vector<std::string>(static_cast<size_t>(times), "hello, " + arguments.name));
  }
};

}  // namespace

REEVE_PLUGIN(Mine, mine_manifest::Manifest, &Mine::Greet)
