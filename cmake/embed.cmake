# hikeshi_embed(TARGET NAME FILE...): makes the files' bytes available to TARGET as the C table
#   const struct embedded_file NAME[] = {{"relative/path", bytes, size}, ..., {0}}
# declared in core/embed.h. The generated source lives in the build folder only.
function(hikeshi_embed target name)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/${name}.c)
  set(files ${ARGN})
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DOUT=${out} -DNAME=${name} -DROOT=${CMAKE_CURRENT_SOURCE_DIR}
            "-DFILES=${files}" -P ${CMAKE_SOURCE_DIR}/cmake/embed_files.cmake
    DEPENDS ${files} ${CMAKE_SOURCE_DIR}/cmake/embed_files.cmake VERBATIM)
  target_sources(${target} PRIVATE ${out})
endfunction()
