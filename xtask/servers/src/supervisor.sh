# Runs programs for the process that holds the other end of its input, one at a time, and ends
# everything that came of them once that process is gone, however it went.
#
#   sh supervisor.sh FOLDER LAST
#
# Programs work in FOLDER/data and write to FOLDER/log. In the end the last one gets the signal
# LAST, FOLDER is removed, and the folder around it if it is empty then.
#
# Orders, a line each:              Events, a line each:
#   run WORD..  (quoted for sh)       pid N, and once it has ended: ended STATUS
#   signal NAME PID..                 done
#   fill  (the disk of FOLDER/data)   done
#   free  (what fill has taken)       done
folder=$1 last=$2
data=$folder/data

# Every process that works in the data folder. Neither groups nor parents lead to all: servers give
# their children sessions of their own, and a killed one leaves them to others.
each() {
    ls -l /proc/[0-9]*/cwd 2>/dev/null | while IFS= read -r line; do
        case $line in
        *" -> $data")
            pid=${line#*/proc/}
            echo "${pid%%/*}"
            ;;
        esac
    done
}

signal() {
    name=$1
    shift
    [ $# -eq 0 ] || kill -s "$name" "$@" 2>/dev/null
}

finish() {
    trap '' HUP INT TERM
    trap - EXIT
    main=$(cat "$folder/pid" 2>/dev/null)
    # One that is halted would not hear anything else.
    signal CONT $main $(each)
    signal "$last" $main
    [ "$last" != KILL ] || signal KILL $(each)
    tries=100
    while [ $tries -gt 0 ] && { [ -e "$folder/pid" ] || [ -n "$(each)" ]; }; do
        sleep 0.05
        tries=$((tries - 1))
    done
    signal KILL $(cat "$folder/pid" 2>/dev/null) $(each)
    # A killed PostgreSQL leaves a segment of shared memory in the kernel.
    if [ -f "$data/postmaster.pid" ]; then
        set -- $(sed -n 7p "$data/postmaster.pid")
        [ -z "$2" ] || ipcrm -m "$2" 2>/dev/null
    fi
    cd /
    rm -rf "$folder"
    rmdir "${folder%/*}" 2>/dev/null
    exit 0
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

while IFS= read -r order; do
    case $order in
    "run "*)
        eval "set -- ${order#run }"
        (
            (cd "$data" && exec "$@") </dev/null >>"$folder/log" 2>&1 &
            echo $! >"$folder/pid"
            echo "pid $!"
            wait $!
            status=$?
            rm -f "$folder/pid"
            echo "ended $status"
        ) &
        ;;
    "signal "*)
        eval "signal ${order#signal }"
        echo done
        ;;
    fill)
        # First in large pieces, then what is left to the last byte.
        dd if=/dev/zero of="$data/ballast" bs=65536 2>/dev/null
        dd if=/dev/zero of="$data/ballast" bs=512 oflag=append conv=notrunc 2>/dev/null
        echo done
        ;;
    free)
        rm -f "$data/ballast"
        echo done
        ;;
    esac
done
