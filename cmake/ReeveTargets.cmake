# The only place with compiler flags, beside what every plugin is built with (plugin-api/cmake/ReevePlugin.cmake).
# A room says what it is made of:
#
#   reeve_library(NAME SOURCES ... [DEPENDS ...] [LIBRARIES ...] [SMALL])   SMALL: what runs seldom and stays in memory
#   reeve_executable(NAME SOURCES ... [DEPENDS ...] [LIBRARIES ...] [STATIC_RUNTIME] [INSTALL bin|sbin|libexec])
#   reeve_test(NAME SOURCES ... [DEPENDS ...] [LIBRARIES ...] [LABEL unit] [ONE_RUN])   GoogleTest; ONE_RUN: one ctest
#                                                                     test for the whole program, where its start is dear
#                                                                     [MANIFEST FILE]: with the headers made from it
#   reeve_plugin(NAME MANIFEST FILE SOURCES ... [DEPENDS ...] [LIBRARIES ...] [EXAMPLE])   an example is installed only by
#                                                                                     cmake --install --component examples
#                                                                     [TEST_ONLY] [WRONG]: see below
#   reeve_fuzzer(NAME SOURCES ... [DEPENDS ...] [LIBRARIES ...])      built only under the fuzz preset
#   reeve_page(NAME.SECTION [FROM FILE.md WHAT ...])                  a manual page, from NAME.SECTION.md if not said otherwise;
#                                                                     WHAT: its section NAME, which such a file has not
#
# DEPENDS names rooms of ours, LIBRARIES what stands outside.

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_SKIP_INSTALL_RPATH ON)

set(REEVE_SANITIZE "" CACHE STRING "Sanitizers, as -fsanitize= takes them")
option(REEVE_FUZZ "Build the libFuzzer targets (clang only)" OFF)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

add_library(reeve_flags INTERFACE)
target_compile_features(reeve_flags INTERFACE cxx_std_23)
target_include_directories(reeve_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_definitions(reeve_flags INTERFACE _GNU_SOURCE)
target_compile_options(reeve_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Werror
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor>
  -fvisibility=hidden -fstack-protector-strong -fno-strict-aliasing
  -ffunction-sections -fdata-sections
  $<$<CONFIG:Release>:$<IF:$<BOOL:$<TARGET_PROPERTY:REEVE_SMALL>>,-Os,-O2>> $<$<CONFIG:Debug>:-Og>)
target_link_options(reeve_flags INTERFACE
  -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--gc-sections -Wl,--as-needed)
if(NOT REEVE_SANITIZE)
  target_compile_definitions(reeve_flags INTERFACE $<$<CONFIG:Release>:_FORTIFY_SOURCE=2>)
else()
  # gcc sees uninitialized values where a sanitizer has put its checks in between.
  target_compile_options(reeve_flags INTERFACE
    -fsanitize=${REEVE_SANITIZE} -fno-omit-frame-pointer $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  target_link_options(reeve_flags INTERFACE -fsanitize=${REEVE_SANITIZE})
  target_compile_definitions(reeve_flags INTERFACE REEVE_SANITIZED=1)
endif()
if(REEVE_FUZZ)
  target_compile_options(reeve_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

set(REEVE_PLUGIN_MAP ${CMAKE_SOURCE_DIR}/plugin-api/reeve-plugin.map)
include(${CMAKE_SOURCE_DIR}/plugin-api/cmake/ReevePlugin.cmake)

# All that is installed and no test: what ./run.sh builds.
add_custom_target(reeve_product)

function(_reeve_link target scope)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "DEPENDS;LIBRARIES")
  target_link_libraries(${target} ${scope} ${arg_DEPENDS} ${arg_LIBRARIES})
  target_link_libraries(${target} PRIVATE reeve_flags)
endfunction()

function(reeve_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "SMALL" "" "SOURCES;DEPENDS;LIBRARIES")
  add_library(${name} STATIC ${arg_SOURCES})
  _reeve_link(${name} PUBLIC DEPENDS ${arg_DEPENDS} LIBRARIES ${arg_LIBRARIES})
  set_target_properties(${name} PROPERTIES REEVE_SMALL "${arg_SMALL}")
endfunction()

function(reeve_executable name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "STATIC_RUNTIME" "INSTALL" "SOURCES;DEPENDS;LIBRARIES")
  add_executable(${name} ${arg_SOURCES})
  _reeve_link(${name} PRIVATE DEPENDS ${arg_DEPENDS} LIBRARIES ${arg_LIBRARIES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
  if(arg_STATIC_RUNTIME AND NOT REEVE_SANITIZE)
    target_link_options(${name} PRIVATE -static-libstdc++ -static-libgcc)
  endif()
  if(arg_INSTALL STREQUAL "libexec")
    install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/reeve)
  elseif(arg_INSTALL)
    install(TARGETS ${name} RUNTIME DESTINATION ${arg_INSTALL})
  endif()
  if(arg_INSTALL)
    add_dependencies(reeve_product ${name})
  endif()
endfunction()

function(reeve_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "ONE_RUN" "LABEL;MANIFEST" "SOURCES;DEPENDS;LIBRARIES")
  if(NOT arg_LABEL)
    set(arg_LABEL unit)
  endif()
  if(REEVE_FUZZ)
    return()
  endif()
  find_package(GTest REQUIRED)
  include(GoogleTest)
  add_executable(${name} ${arg_SOURCES})
  _reeve_link(${name} PRIVATE DEPENDS ${arg_DEPENDS}
              LIBRARIES ${arg_LIBRARIES} GTest::gmock GTest::gtest GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE
    REEVE_SOURCE_DIR="${CMAKE_SOURCE_DIR}" REEVE_BINARY_DIR="${CMAKE_BINARY_DIR}")
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  if(arg_MANIFEST)
    reeve_plugin_headers(${name} ${arg_MANIFEST})
  endif()
  if(arg_ONE_RUN)
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES LABELS ${arg_LABEL} TIMEOUT 120)
  else()
    gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST PROPERTIES LABELS ${arg_LABEL} TIMEOUT 120)
  endif()
endfunction()

# One shared object with one exported function, and its manifest beside it, made as everybody's is
# (plugin-api/cmake/ReevePlugin.cmake). One that is TEST_ONLY stands in tests/plugins and is never installed; one that
# is WRONG does what no plugin may, which the check of its object sees.
function(reeve_plugin name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "EXAMPLE;TEST_ONLY;WRONG" "MANIFEST" "SOURCES;DEPENDS;LIBRARIES")
  reeve_add_plugin(${name} TARGET ${name}-plugin MANIFEST ${arg_MANIFEST} SOURCES ${arg_SOURCES}
    LIBRARIES ${arg_DEPENDS} ${arg_LIBRARIES} reeve_flags)
  set_tests_properties(${name}-manifest ${name}-object PROPERTIES LABELS unit TIMEOUT 60)
  add_dependencies(reeve_product ${name}-plugin)
  set(directory ${CMAKE_BINARY_DIR}/plugins)
  if(arg_TEST_ONLY)
    set(directory ${CMAKE_BINARY_DIR}/tests/plugins)
  endif()
  if(arg_WRONG)
    set_tests_properties(${name}-object PROPERTIES WILL_FAIL TRUE)
  endif()
  set_target_properties(${name}-plugin PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${directory})
  if(arg_TEST_ONLY)
    return()
  endif()
  set(component "")
  if(arg_EXAMPLE)
    set(component COMPONENT examples EXCLUDE_FROM_ALL)
  endif()
  install(TARGETS ${name}-plugin LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/reeve/plugins ${component})
  install(FILES ${arg_MANIFEST} DESTINATION ${CMAKE_INSTALL_LIBDIR}/reeve/plugins ${component})
endfunction()

function(reeve_fuzzer name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPENDS;LIBRARIES")
  if(NOT REEVE_FUZZ)
    return()
  endif()
  add_executable(${name} ${arg_SOURCES})
  _reeve_link(${name} PRIVATE DEPENDS ${arg_DEPENDS} LIBRARIES ${arg_LIBRARIES})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzzers)
endfunction()

function(reeve_page page)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "FROM;WHAT" "")
  if(NOT arg_FROM)
    set(arg_FROM ${page}.md)
  endif()
  string(REGEX MATCH "[0-9]$" section ${page})
  set(script ${CMAKE_SOURCE_DIR}/packaging/make-page)
  set(made ${CMAKE_BINARY_DIR}/pages/${page}.gz)
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/pages)
  add_custom_command(OUTPUT ${made}
    COMMAND ${script} ${page} ${PROJECT_VERSION} ${CMAKE_CURRENT_SOURCE_DIR}/${arg_FROM} ${made} ${arg_WHAT}
    DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${arg_FROM} ${script} VERBATIM)
  add_custom_target(page-${page} ALL DEPENDS ${made})
  add_dependencies(reeve_product page-${page})
  install(FILES ${made} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endfunction()
