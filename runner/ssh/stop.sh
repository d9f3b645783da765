as_root() { printf "%s\n" "$word" | sudo -S -k -p "" "$@"; }
found() { pids $($s grep -lsF "$m" /proc/[0-9]*/environ); }
pids() { for f; do f=${f#/proc/}; echo "${f%%/*}"; done; }
join() { IFS='|'; j="$*"; unset IFS; }
has() { case " $2 " in *" $1 "*) return 0;; esac; return 1; }
flat() { IFS='
'; set -- $1; unset IFS; x="$*"; }
tree() {
  a=$P
  while [ -n "$a" ]; do
    join $a; flat "$(pids $(grep -lsE "\) [^ZX] ($j) " /proc/[0-9]*/stat))"; a=
    for p in $x; do has $p "$P" || { P="$P $p"; a="$a $p"; }; done
  done
}
groups() {
  for p in $P; do
    l=; { IFS= read -r l </proc/$p/stat; } 2>/dev/null
    set -- ${l##*) }
    case ${3-} in ''|0|1|*[!0-9]*) continue;; esac
    has $3 "$G" && continue
    if has $3 "$P" || [ ! -e /proc/$3 ]; then G="$G $3"; fi
  done
}
look() {
  flat "$(found)"; P=$x; tree; groups
  for p in $P; do has $p "$T" || T="$T $p"; done
  join $T; L=
  for p in $T; do
    l=; { IFS= read -r l </proc/$p/stat; } 2>/dev/null
    case ${l##*) } in ''|Z*|X*) ;; *) L="$L $p";; esac
  done
  [ -z "$G" ] && return
  join $G; flat "$(pids $(grep -lsE "\) [^ZX] [0-9]+ ($j) " /proc/[0-9]*/stat))"
  for p in $x; do has $p "$L" || L="$L $p"; done
}
hit() {
  for g in $G; do kill -$1 -$g; done
  for p in $L; do kill -$1 $p; done
  [ -n "$s" ] && [ -n "$L" ] && $s kill -$1 $L
} 2>/dev/null
say() { echo "hikeshi-stop: $*"; exit 0; }
[ -r /proc/self/environ ] || say unknown
none=none
[ -n "$s" ] && [ "$($s grep -c '' /dev/null 2>/dev/null)" != 0 ] && s= none=unknown
G= T=; look
[ -n "$L" ] || say $none
hit TERM
for i in 1 2 3 4 5 6; do sleep 0.05 2>/dev/null || sleep 1; look; [ -n "$L" ] || say $none; done
for i in 1 2 3 4 5 6 7 8 9 10; do hit KILL; sleep 0.05 2>/dev/null || sleep 1; look; [ -n "$L" ] || say $none; done
say left $L
