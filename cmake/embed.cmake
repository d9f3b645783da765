# hikeshi_embed(TARGET NAME FILE...): makes the files' bytes available to TARGET as the C table
#   const struct embedded_file NAME[] = {{"relative/path", bytes, size}, ..., {0}}
# declared in core/embed.h. The generated source lives in the build folder only.
function(hikeshi_embed target name)
  hikeshi_embed_from(${CMAKE_CURRENT_SOURCE_DIR} ${target} ${name} ${ARGN})
endfunction()

# The same for files below ROOT: those of the build folder, or of another one.
function(hikeshi_embed_from root target name)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/${name}.c)
  set(files ${ARGN})
  list(TRANSFORM files PREPEND ${root}/ OUTPUT_VARIABLE paths)
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DOUT=${out} -DNAME=${name} -DROOT=${root}
            "-DFILES=${files}" -P ${CMAKE_SOURCE_DIR}/cmake/embed_files.cmake
    DEPENDS ${paths} ${CMAKE_SOURCE_DIR}/cmake/embed_files.cmake VERBATIM)
  target_sources(${target} PRIVATE ${out})
endfunction()
