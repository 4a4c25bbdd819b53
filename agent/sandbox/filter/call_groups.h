#pragma once

#include <vector>

#include "agent/sandbox/filter/filter_table.h"

// The rules of filter_table, in groups: what each role and promise is made of. Private to filter_table.

namespace reeve::sandbox {

std::vector<CallRule> StandardCalls();  // `stdio`: the base of every process of ours
std::vector<CallRule> SoftRefusals();   // what libraries try and can live without

std::vector<CallRule> MapPrivate();  // memory of its own, never executable
std::vector<CallRule> MapShared();   // rings
std::vector<CallRule> MapCode();     // a file's code, read-only: what dlopen needs

std::vector<CallRule> OpenNothing();
std::vector<CallRule> OpenReadOnly();
std::vector<CallRule> OpenAnyway();       // also for writing; which files is Landlock's and the mounts' business
std::vector<CallRule> OpenDirectories();  // fsfreeze

std::vector<CallRule> LookAtDescriptors();  // fstat, as glibc says it
std::vector<CallRule> LookAtPaths();
std::vector<CallRule> ReadDirectories();
std::vector<CallRule> RefuseFileSystemFacts();  // while loading, for who may not read directories
std::vector<CallRule> FollowLinks();            // and the other ways of libraries to look at a path
std::vector<CallRule> NameOfTheMachine();       // uname

std::vector<CallRule> KeepFileStatus();  // O_APPEND of an inherited descriptor stays
std::vector<CallRule> ChangeFileStatus();

std::vector<CallRule> MakeThreads();
std::vector<CallRule> NoSockets();
std::vector<CallRule> NetlinkRoute();
std::vector<CallRule> AcceptConnections();
std::vector<CallRule> ServeConnections();  // the core's share of it
std::vector<CallRule> FlushFiles();
std::vector<CallRule> FreezeFileSystems();
std::vector<CallRule> ClockSettime();
std::vector<CallRule> AddFilter();  // the run filter, from within the load filter

}  // namespace reeve::sandbox
