# Boots one of the two slots: U-Boot runs this as boot.scr from the boot partition. One script for
# every board; `image build` puts the board's values in place of @...@, and memory's beginning and
# the number in place of @0x...@. What the state means, and that the worse copy is written first:
# appliance/update/slot.rs. It uses only what every board's U-Boot knows: that of the ROCK64 has no
# setexpr.
#
# 0x08000000 of memory is left alone, emulators put a device tree there. U-Boot's own addresses
# leave too little room for a kernel on some boards.
setenv kernel_addr_r @0x0a000000@
setenv scratch @0x0f000000@
setenv again @0x0f010000@
setenv fdt_addr_r @0x0f100000@
setenv ramdisk_addr_r @0x10000000@
setenv kernel_comp_addr_r @0x14000000@
setenv kernel_comp_size 0x04000000

# The disk's own number, as it stands in its boot record now: PID 1 finds its disk by it. It is what
# stands before the dash of the number of a partition: disk=6d61696c-01, of which 13 octets are read.
part uuid ${devtype} ${devnum}:1 disk
env export -t ${scratch} disk
env import -t ${scratch} 0xd

# The copy that counts. Copies at 4 MiB and 12 MiB, in sectors of 512.
setenv chosen
for copy in 0x2000 0x6000; do
  setenv gen
  setenv good
  setenv left
  setenv try
  if ${devtype} read ${scratch} ${copy} 1; then
    if env import -c ${scratch} 0x200 gen good left try; then
      setenv better no
      if test -n "${gen}" -a -n "${good}"; then
        if test -z "${chosen}"; then
          setenv better yes
        elif test 0x${gen} -gt 0x${chosen_gen}; then
          setenv better yes
        fi
      fi
      if test ${better} = yes; then
        setenv chosen ${copy}
        setenv chosen_gen ${gen}
        setenv chosen_good ${good}
        setenv chosen_left ${left}
        setenv chosen_try ${try}
      fi
    else
      echo "mailroom: the slot state at sector ${copy} is damaged"
    fi
  fi
done

setenv slot a
if test -n "${chosen}"; then
  setenv gen ${chosen_gen}
  setenv good ${chosen_good}
  setenv left ${chosen_left}
  setenv try ${chosen_try}
  setenv slot ${good}
  if test -n "${try}"; then
    if test 0x${left} -gt 0; then
      # left - 1: the digit that comes before it, and f where it has more than one digit.
      setenv fewer f
      setenv before
      for digit in 0 1 2 3 4 5 6 7 8 9 a b c d e f; do
        if test 0x${left} -eq 0x${digit}; then
          setenv fewer ${before}
        fi
        setenv before ${digit}
      done
      setenv left ${fewer}
      # gen + 1: "gen=1f" is written into memory, and its digits, from the last one, are counted up
      # there. f becomes 0 and is carried; what is no digit stays.
      mw.b ${scratch} 0 0x40
      env export -t ${scratch} gen
      setenv places "@0x0f000013@ @0x0f000012@ @0x0f000011@ @0x0f000010@ @0x0f00000f@ @0x0f00000e@"
      setenv places "${places} @0x0f00000d@ @0x0f00000c@ @0x0f00000b@ @0x0f00000a@ @0x0f000009@"
      setenv places "${places} @0x0f000008@ @0x0f000007@ @0x0f000006@ @0x0f000005@ @0x0f000004@"
      setenv carry yes
      for place in ${places}; do
        setenv digit 0x30
        for next in 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66 30; do
          if test ${carry} = yes -a -n "${digit}"; then
            if itest.b *${place} == ${digit}; then
              mw.b ${place} 0x${next}
              setenv digit
              if test ${next} != 30; then
                setenv carry no
              fi
            else
              setenv digit 0x${next}
            fi
          fi
        done
      done
      env import -t ${scratch}
      if test ${carry} = yes; then
        setenv gen 1${gen}
      fi
      # Counted down on disk before it is booted, or it would be tried for ever.
      setenv worse 0x6000
      if test ${chosen} = 0x6000; then
        setenv worse 0x2000
      fi
      env export -c -s 0x200 ${scratch} gen good left try
      if ${devtype} write ${scratch} ${worse} 1; then
        if ${devtype} read ${again} ${worse} 1; then
          if cmp.b ${scratch} ${again} 0x200; then
            ${devtype} write ${scratch} ${chosen} 1
            setenv slot ${try}
          fi
        fi
      fi
      if test ${slot} = ${try}; then
        echo "mailroom: slot ${try} is on trial"
      else
        echo "mailroom: the trial of slot ${try} cannot be counted, it is not booted"
      fi
    else
      echo "mailroom: slot ${try} was tried and not confirmed"
    fi
  fi
else
  echo "mailroom: no valid slot state"
fi

for pass in 1 2; do
  setenv part 2
  if test ${slot} = b; then
    setenv part 3
  fi
  setenv kernel no
  if load ${devtype} ${devnum}:${part} ${kernel_addr_r} Image.gz; then
    setenv kernel yes
  elif load ${devtype} ${devnum}:${part} ${kernel_addr_r} Image; then
    setenv kernel yes
  fi
  if test ${kernel} = yes; then
    if load ${devtype} ${devnum}:${part} ${ramdisk_addr_r} initramfs; then
      setenv initramfs_size ${filesize}
      # A slot brings the device tree of its kernel where one board is meant.
      setenv tree @DEVICE_TREE@
      if test -e ${devtype} ${devnum}:${part} board.dtb; then
        if load ${devtype} ${devnum}:${part} ${fdt_addr_r} board.dtb; then
          setenv tree ${fdt_addr_r}
        fi
      fi
      setenv bootargs "@CONSOLE@ loglevel=4 panic=5 oops=panic mailroom.slot=${slot} mailroom.disk=${disk}"
      echo "mailroom: booting slot ${slot}"
      booti ${kernel_addr_r} ${ramdisk_addr_r}:${initramfs_size} ${tree}
    fi
  fi
  echo "mailroom: slot ${slot} cannot be loaded"
  if test ${slot} = b; then
    setenv slot a
  else
    setenv slot b
  fi
done
echo "mailroom: neither slot can be loaded, starting over in ten seconds"
sleep 10
reset
