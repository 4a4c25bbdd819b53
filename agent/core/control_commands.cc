#include "agent/core/control_commands.h"

namespace reeve::core {

void ControlCommands::Dispatch(Asker&, Request request, RunningTime, OnReply on_reply) {
  on_reply(Run(request));
}

Reply ControlCommands::Run(const Request& request) const {
  if (request.command != "reeve-status")
    return Reply::Failure(ErrorClass::kCommandNotFound, "The command " + request.command + " has not been found");
  const json::Object* arguments = request.arguments.As<json::Object>();
  if (arguments != nullptr && !arguments->empty())
    return Reply::Failure(ErrorClass::kGenericError, "Parameter '" + arguments->front().key + "' is unexpected");
  return Reply::Return(status_());
}

}  // namespace reeve::core
