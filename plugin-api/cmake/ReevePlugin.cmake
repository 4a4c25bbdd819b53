# How a plugin is built: the same for Reeve's own (cmake/ReeveTargets.cmake) and for everybody's, by find_package(ReevePlugin).
#
#   reeve_add_plugin(NAME MANIFEST NAME.plugin.yaml SOURCES ... [LIBRARIES ...] [TARGET name])
#
# makes NAME.so, a target of that name or of TARGET's, from sources in C11 or C++17 and later:
#   - the manifest is checked each time that it was changed, and a bad one fails the build;
#   - NAME_commands.h (C) and NAME_commands.hpp (C++) are made from it, to be included;
#   - the object exports reeve_plugin_query alone, has no undefined symbols, a build-id, and nothing writable that need not be;
#   - the manifest is put beside the object, where Reeve looks for it;
#   - ctest gets NAME-manifest and NAME-object: the same check of the manifest, and what can be seen of the object from outside.
#
#   reeve_plugin_headers(TARGET MANIFEST)     the two headers for another target, as a test of the plugin's parts
#
# It needs the targets ReevePlugin::api (headers) and ReevePlugin::manifest (the program reeve-manifest), and REEVE_PLUGIN_MAP.

set(_reeve_plugin_check_object ${CMAKE_CURRENT_LIST_DIR}/ReevePluginCheckObject.cmake)

# Puts into `variable` the NAME of NAME.plugin.yaml.
function(_reeve_plugin_name manifest variable)
  get_filename_component(file ${manifest} NAME)
  if(NOT file MATCHES "^[a-z][a-z0-9-]*\\.plugin\\.yaml$")
    message(FATAL_ERROR "${file}: a manifest's file is NAME.plugin.yaml, NAME of a-z, 0-9 and '-'")
  endif()
  string(REPLACE ".plugin.yaml" "" name ${file})
  set(${variable} ${name} PARENT_SCOPE)
endfunction()

function(reeve_plugin_headers target manifest)
  _reeve_plugin_name(${manifest} name)
  get_filename_component(path ${manifest} ABSOLUTE)
  set(directory ${CMAKE_CURRENT_BINARY_DIR}/generated)
  file(MAKE_DIRECTORY ${directory})
  if(NOT TARGET ${name}-manifest-headers)
    add_custom_command(OUTPUT ${directory}/${name}_commands.h ${directory}/${name}_commands.hpp
      COMMAND ReevePlugin::manifest table ${path} ${directory}/${name}_commands.h
      COMMAND ReevePlugin::manifest types ${path} ${directory}/${name}_commands.hpp
      DEPENDS ${path} ReevePlugin::manifest VERBATIM)
    add_custom_target(${name}-manifest-headers DEPENDS ${directory}/${name}_commands.h)
  endif()
  target_include_directories(${target} PUBLIC ${directory})
  add_dependencies(${target} ${name}-manifest-headers)
endfunction()

function(reeve_add_plugin name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "MANIFEST;TARGET" "SOURCES;LIBRARIES")
  if(NOT arg_MANIFEST OR NOT arg_SOURCES OR arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "reeve_add_plugin(NAME MANIFEST NAME.plugin.yaml SOURCES ... [LIBRARIES ...] [TARGET name])")
  endif()
  _reeve_plugin_name(${arg_MANIFEST} file_name)
  if(NOT file_name STREQUAL name)
    message(FATAL_ERROR "the manifest of plugin ${name} must be ${name}.plugin.yaml, not ${arg_MANIFEST}")
  endif()
  if(NOT arg_TARGET)
    set(arg_TARGET ${name})
  endif()
  add_library(${arg_TARGET} MODULE ${arg_SOURCES})
  set_target_properties(${arg_TARGET} PROPERTIES
    PREFIX "" OUTPUT_NAME ${name} POSITION_INDEPENDENT_CODE ON
    C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
    SKIP_BUILD_RPATH ON SKIP_INSTALL_RPATH ON)
  if(CMAKE_C_COMPILER)
    target_compile_features(${arg_TARGET} PRIVATE c_std_11)
  endif()
  if(CMAKE_CXX_COMPILER)
    target_compile_features(${arg_TARGET} PRIVATE cxx_std_17)
  endif()
  target_link_libraries(${arg_TARGET} PRIVATE ${arg_LIBRARIES} ReevePlugin::api)
  target_link_options(${arg_TARGET} PRIVATE
    -Wl,-z,defs,-z,relro,-z,now,-z,noexecstack -Wl,--build-id -Wl,--version-script=${REEVE_PLUGIN_MAP})
  set_property(TARGET ${arg_TARGET} APPEND PROPERTY LINK_DEPENDS ${REEVE_PLUGIN_MAP})
  reeve_plugin_headers(${arg_TARGET} ${arg_MANIFEST})
  get_filename_component(path ${arg_MANIFEST} ABSOLUTE)
  add_custom_command(TARGET ${arg_TARGET} POST_BUILD
    COMMAND ${CMAKE_COMMAND} -E copy_if_different ${path} $<TARGET_FILE_DIR:${arg_TARGET}>/${name}.plugin.yaml VERBATIM)
  add_test(NAME ${name}-manifest COMMAND ReevePlugin::manifest check ${path})
  add_test(NAME ${name}-object
    COMMAND ${CMAKE_COMMAND} -D OBJECT=$<TARGET_FILE:${arg_TARGET}> -P ${_reeve_plugin_check_object})
endfunction()
