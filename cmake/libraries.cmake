# Every third-party library, once. A folder's CMakeLists.txt names the ones it is allowed to use.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
foreach(lib IN ITEMS
    uv:libuv glib:glib-2.0 mhd:libmicrohttpd jansson:jansson fyaml:libfyaml cmark:libcmark-gfm lua:lua5.4
    ssh2:libssh2 crypto:libcrypto git2:libgit2 curl:libcurl sqlite:sqlite3 sodium:libsodium)
  string(REPLACE ":" ";" pair ${lib})
  list(GET pair 0 name)
  list(GET pair 1 module)
  pkg_check_modules(${name} REQUIRED IMPORTED_TARGET ${module})
  add_library(lib::${name} ALIAS PkgConfig::${name})
endforeach()
