# cmake -D OBJECT=NAME.so -P ReevePluginCheckObject.cmake: what can be seen of a plugin's object without running it.
# Needs readelf (binutils), which every compiler brings.
cmake_minimum_required(VERSION 3.20)

find_program(readelf NAMES readelf llvm-readelf llvm-readelf-19 REQUIRED)

# Functions that have no place behind the plugin's functions (reeve/plugin.h): what ends or forks the process, changes it for
# everybody in it, or loads more code.
set(forbidden
  exit _exit _Exit quick_exit fork vfork clone system popen execv execve execvp execvpe execveat posix_spawn posix_spawnp
  signal sigaction setlocale chdir fchdir chroot umask putenv setenv unsetenv clearenv
  dlopen dlmopen ptrace longjmp _longjmp siglongjmp)

set(problems "")
macro(problem)
  list(APPEND problems "${ARGN}")
endmacro()

function(read_object option variable)
  execute_process(COMMAND ${readelf} --wide ${option} ${OBJECT} OUTPUT_VARIABLE text COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX REPLACE "[][;]" " " text "${text}")  # what CMake's lists would trip over
  set(${variable} "${text}" PARENT_SCOPE)
endfunction()

read_object(--dynamic dynamic)
read_object(--segments segments)
read_object(--dyn-syms symbols)

if(dynamic MATCHES "\\((RPATH|RUNPATH)\\)")
  problem("it has a path of its own to look for libraries (${CMAKE_MATCH_1})")
endif()
if(dynamic MATCHES "TEXTREL")
  problem("its code is changed at load (TEXTREL): compile it with -fPIC")
endif()
if(NOT dynamic MATCHES "BIND_NOW|FLAGS_1[^\n]*NOW")
  problem("its symbols are not bound at load: link it with -Wl,-z,now")
endif()
if(NOT segments MATCHES "GNU_RELRO")
  problem("what is bound stays writable: link it with -Wl,-z,relro")
endif()
if(NOT segments MATCHES "GNU_STACK[^\n]* RW ")
  problem("it wants an executable stack: link it with -Wl,-z,noexecstack")
endif()

string(REPLACE "\n" ";" lines "${symbols}")
set(exported "")
foreach(line IN LISTS lines)
  # Num: Value Size Type Bind Vis Ndx Name
  if(NOT line MATCHES "^ *[0-9]+: +[0-9a-f]+ +[^ ]+ +[A-Z_]+ +(GLOBAL|WEAK|UNIQUE) +[A-Z]+ +([A-Z0-9]+) +([^ @]+)")
    continue()
  endif()
  set(section ${CMAKE_MATCH_2})
  set(name ${CMAKE_MATCH_3})
  if(NOT section STREQUAL "UND")
    list(APPEND exported ${name})
  elseif(name IN_LIST forbidden)
    problem("it calls ${name}, which a plugin must not")
  endif()
endforeach()
if(NOT exported STREQUAL "reeve_plugin_query")
  list(JOIN exported " " exported)
  problem("it exports '${exported}' where reeve_plugin_query alone is meant")
endif()

# A second copy of the unwinder behind threads and exceptions: -static-libgcc was used.
if(symbols MATCHES " _Unwind_|__gxx_personality" AND NOT dynamic MATCHES "libgcc_s|libstdc\\+\\+|libc\\+\\+")
  problem("it brings the compiler's runtime along: link without -static-libgcc and -static-libstdc++")
endif()

if(problems)
  foreach(text IN LISTS problems)
    message(NOTICE "${OBJECT}: ${text}")
  endforeach()
  message(FATAL_ERROR "not fit to be a plugin")
endif()
