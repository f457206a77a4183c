# Boots one of the two slots: U-Boot runs this as boot.scr from the boot partition. One script for
# every board; `image build` puts the board's values in place of @...@. What the state means, and
# that the worse copy is written first: appliance/update/slot.rs.
#
# Memory, counted from where it begins (@MEMORY@); 0x08000000 is left alone, emulators put a device
# tree there. U-Boot's own addresses leave too little room for a kernel on some boards.
setexpr kernel_addr_r @MEMORY@ + 0x0a000000
setexpr scratch @MEMORY@ + 0x0f000000
setexpr again @MEMORY@ + 0x0f010000
setexpr ramdisk_addr_r @MEMORY@ + 0x10000000
setexpr kernel_comp_addr_r @MEMORY@ + 0x14000000
setenv kernel_comp_size 0x04000000

# The disk's own number, as it stands in its boot record now: PID 1 finds its disk by it.
${devtype} read ${scratch} 0 1
setexpr at ${scratch} + 0x1b8
setexpr.l disk *${at}

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
      # Counted down on disk before it is booted, or it would be tried for ever.
      setenv worse 0x6000
      if test ${chosen} = 0x6000; then
        setenv worse 0x2000
      fi
      setexpr left ${left} - 1
      setexpr gen ${gen} + 1
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
      setenv bootargs "@CONSOLE@ loglevel=4 panic=5 oops=panic mailroom.slot=${slot} mailroom.disk=${disk}"
      echo "mailroom: booting slot ${slot}"
      booti ${kernel_addr_r} ${ramdisk_addr_r}:${initramfs_size} @DEVICE_TREE@
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
