# Merges the unpacked packages ($debs) into one tree with Debian's layout (bin, lib, sbin are links into usr) and makes its programs run from there:
# they name their loader and their libraries by store path instead of by /lib, which exists in no sandbox.

b mkdir -p "$out/usr/bin" "$out/usr/lib" "$out/usr/lib64" "$out/usr/sbin"
for directory in bin lib lib64 sbin; do b ln -s "usr/$directory" "$out/$directory"; done
for deb in $debs; do
  for directory in bin lib lib64 sbin usr/bin usr/lib usr/lib64 usr/sbin usr/include usr/share/tcltk; do
    [ -d "$deb/$directory" ] || continue
    case $directory in usr/*) into=$out/$directory ;; *) into=$out/usr/$directory ;; esac
    b mkdir -p "$into"
    b chmod -R u+w "$into"
    b cp -a "$deb/$directory/." "$into/"
  done
done
b chmod -R u+w "$out"

# Links that start at the root of Debian start at this tree instead; what they lead to may be missing here (update-alternatives).
b find "$out/usr" -type l | while read -r link; do
  target=$(b readlink "$link")
  case $target in /*) b ln -sf "$out$target" "$link" ;; esac
done
b ln -sf bash "$out/usr/bin/sh"
b ln -sf gawk "$out/usr/bin/awk"

# patchelf itself still has the old loader, so it is started by the new one; programs being changed must not be the one that runs.
rpath=$out/usr/$libs
b cp "$out/usr/bin/patchelf" patchelf
b find "$out/usr/bin" "$out/usr/lib/gcc" -type f | while read -r file; do
  [ "$(b head -c 4 "$file")" = "$(printf '\177ELF')" ] || continue
  case $file in *.o | *.a) continue ;; esac
  "$loader" --library-path "$rpath" ./patchelf --print-interpreter "$file" > /dev/null 2>&1 || continue
  "$loader" --library-path "$rpath" ./patchelf --force-rpath --set-rpath "$rpath" --set-interpreter "$loader" "$file"
done

"$out/usr/bin/gcc" --version | b head -n 1
