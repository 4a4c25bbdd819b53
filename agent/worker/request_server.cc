#include "agent/worker/request_server.h"

#include <algorithm>
#include <utility>

#include "agent/worker/fence.h"
#include "base/log.h"

namespace reeve::worker {
namespace {

static_assert(kMaxConcurrency == wire::kMaxInFlight);

constexpr std::string_view kCancelledText = "the request was cancelled at its deadline";

int32_t StatusOf(const Status& status) {
  if (status) return REEVE_OK;
  switch (status.error().code()) {
    case Code::kUnavailable:
      return REEVE_ERROR_CANCELLED;
    case Code::kTooLarge:
      return REEVE_ERROR_LIMIT;
    default:
      return REEVE_ERROR_CLOSED;
  }
}

}  // namespace

RequestServer::RequestServer(EventLoop& loop, const LoadedPlugin& loaded, std::function<void()> on_end)
    : loop_(loop),
      loaded_(loaded),
      on_end_(std::move(on_end)),
      max_open_(std::max(1u, loaded.plugin.max_concurrency)) {}

RequestServer::~RequestServer() {
  loop_.Cancel(pump_timer_);
}

void RequestServer::Attach(std::shared_ptr<wire::CoreLink> link) {
  waiting_.clear();
  link_ = std::move(link);
}

// ---- from the core

void RequestServer::OnRequest(const wire::RequestHead& head, wire::RequestText text) {
  if (head.command >= loaded_.agreed.commands.size())
    return link_->Finish(head.id, REEVE_ERROR_NO_COMMAND, "the plugin has no such command");
  // One of an earlier core's has that number: no core does that.
  if (open_.contains(head.id)) return link_->Finish(head.id, REEVE_ERROR_BUSY, "the request's number is in use");
  if (text.data == nullptr)
    return link_->Finish(head.id, REEVE_ERROR_LIMIT, "the plugin has not enough memory for this request");
  waiting_.push_back({head, std::move(text)});
  Pump();
}

void RequestServer::OnCancel(uint64_t request_id) {
  const auto waits = std::find_if(waiting_.begin(), waiting_.end(),
                                  [&](const Waiting& request) { return request.head.id == request_id; });
  if (waits != waiting_.end()) {
    waiting_.erase(waits);
    link_->Finish(request_id, REEVE_ERROR_CANCELLED, kCancelledText);
    return EndIfIdle();
  }
  if (!open_.contains(request_id) || loaded_.plugin.cancel == nullptr) return;
  Fenced([&] {
    loaded_.plugin.cancel(loaded_.plugin.self, request_id);
    return REEVE_OK;
  });
}

void RequestServer::OnSettled(uint64_t request_id, bool was_sent) {
  if (loaded_.plugin.settled == nullptr) return;
  Fenced([&] {
    loaded_.plugin.settled(loaded_.plugin.self, request_id, was_sent ? 1 : 0);
    return REEVE_OK;
  });
}

void RequestServer::OnQuiet(uint64_t number) {
  if (on_quiet_) on_quiet_(number);
}

void RequestServer::OnLinkClosed(const Error& error) {
  if (error.code() != Code::kClosed) LogError("the link to the core ended: " + error.message());
  waiting_.clear();
  if (!outlives_core_) on_end_();
}

void RequestServer::EndWhenIdle() {
  ends_when_idle_ = true;
  EndIfIdle();
}

void RequestServer::EndIfIdle() {
  if (ends_when_idle_ && is_idle()) on_end_();
}

// ---- into the plugin

// The plugin is entered by one call at a time: what an answer sets free is taken up by the loop's next turn.
void RequestServer::Pump() {
  if (is_in_plugin_) return;
  while (!waiting_.empty() && open_.size() < max_open_) {
    Waiting next = std::move(waiting_.front());
    waiting_.pop_front();
    if (link_->cancel_flag(next.head.id))
      link_->Finish(next.head.id, REEVE_ERROR_CANCELLED, kCancelledText);
    else
      Invoke(std::move(next));
  }
  EndIfIdle();
}

void RequestServer::Invoke(Waiting request) {
  const wire::RequestHead& head = request.head;
  const reeve_sink functions = {sizeof(reeve_sink), 0, &Write, &Reserve, &Commit, &Finish, &WantSettled, &IsCancelled};
  auto sink = std::make_unique<Sink>(Sink{functions, this, head.id, link_, &link_->cancel_flag(head.id), 0});
  reeve_sink* const reply = &sink->abi;
  open_.emplace(head.id, std::move(sink));
  const reeve_request call = {sizeof call,      loaded_.agreed.commands[head.command],
                              head.id,          {request.text.data.get(), request.text.size},
                              head.channel,     head.peer_kind,
                              head.peer_number, head.deadline_ms};
  is_in_plugin_ = true;
  const int32_t status = Fenced([&] { return loaded_.plugin.invoke(loaded_.plugin.self, &call, reply); });
  is_in_plugin_ = false;
  if (status != REEVE_OK && open_.contains(head.id)) End(head.id, status, "the command failed");
  link_->Recycle(std::move(request.text));
}

void RequestServer::End(uint64_t request_id, int32_t status, std::string_view text) {
  if (status > REEVE_OK || status < REEVE_ERROR_LAST) status = REEVE_ERROR_FAILED;
  if (status != REEVE_OK && text.empty()) text = "the command failed";
  const auto open = open_.extract(request_id);
  open.mapped()->link->Finish(request_id, status, text);
  if (waiting_.empty() && !ends_when_idle_) return;
  loop_.Cancel(pump_timer_);
  pump_timer_ = loop_.After({}, [this] { Pump(); });
}

// ---- from the plugin

int32_t RequestServer::Write(reeve_sink* sink, const void* bytes, uint64_t count) {
  Sink& self = Of(sink);
  return StatusOf(self.link->Write(self.request_id, {static_cast<const uint8_t*>(bytes), count}));
}

int32_t RequestServer::Reserve(reeve_sink* sink, uint64_t wanted, void** place, uint64_t* granted) {
  Sink& self = Of(sink);
  *place = nullptr;
  *granted = self.granted_bytes = 0;
  if (wanted == 0) return REEVE_ERROR_ARGUMENT;
  // A wish above what any reply may have would wrap in sums.
  const auto room = self.link->Reserve(self.request_id, std::min<uint64_t>(wanted, wire::kMaxReplyBytes + 1));
  if (!room) return StatusOf(Status(Fail(room.error())));
  *place = room->data();
  *granted = self.granted_bytes = room->size();
  return REEVE_OK;
}

int32_t RequestServer::Commit(reeve_sink* sink, uint64_t count) {
  Sink& self = Of(sink);
  if (count > std::exchange(self.granted_bytes, 0)) return REEVE_ERROR_ARGUMENT;
  return StatusOf(self.link->Commit(self.request_id, count));
}

void RequestServer::Finish(reeve_sink* sink, int32_t status, reeve_str text) {
  Sink& self = Of(sink);
  self.server->End(self.request_id, status, {text.p, text.p == nullptr ? 0 : text.n});
}

void RequestServer::WantSettled(reeve_sink* sink) {
  Of(sink).link->WantSettled(Of(sink).request_id);
}

uint32_t RequestServer::IsCancelled(const reeve_sink* sink) {
  return *reinterpret_cast<const Sink*>(sink)->is_cancelled ? 1 : 0;
}

}  // namespace reeve::worker
