# One of many tasks: says when it starts and ends; fails as its number wants.  . step.sh NUMBER FOLDER SECONDS
number=$1 folder=$2 seconds=$3

note() {
    local up
    read -r up _ < /proc/uptime
    printf '%s,%s:%s:%s,%s\n' "$JOBMON_TASK_INSTANCE_ID" "$JOBMON_TASK_ID" "$$" "$up" "$1" >> "$WITNESS"
}

fail() {
    echo "step $number: $1" >&2
    note fail
    exit 1
}

note start
[ "$seconds" = 0 ] || sleep "$seconds"
case $number in
    *00) mkdir "$folder/tried-$number" 2> /dev/null && fail "the first attempt fails" ;;
    7 | 77 | 177) [ -e "$folder/mended" ] || fail "the cause is not mended" ;;
esac
note end
