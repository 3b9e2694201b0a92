# Shows on the serial console why the installation failed, and ends the machine, which would otherwise wait for a key.
exec >/dev/ttyS0 2>&1
for log in /run/imgpipe-late.log /var/log/installer/curtin-install.log /var/log/installer/subiquity-server-debug.log; do
    if [ -s "$log" ]; then
        echo "--- $log"
        tail -n 25 "$log" | cut -c 1-300 | tr -d '\000-\010\013-\037'
    fi
done
# In two parts, because the installer shows this text before it runs it.
printf 'IMGPIPE-INSTALL-%s\n' FAIL
sync
sleep 5
systemctl poweroff
