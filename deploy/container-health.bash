# What the image's HEALTHCHECK runs: ask the service or the sandbox of the container whether it is alive.
#
#     bash container-health.bash [PROCESS_ID]
#
# The address is the one in the command line of the container's first process (or of PROCESS_ID). The exit status is 0 if
# the service is alive, or if the container runs another command; else 1. Of a sandbox with --tls, only the connection is
# checked. The script runs every few seconds, so it is not Python, whose startup costs 30 times as much CPU time. The
# image has no curl, but bash connects to /dev/tcp/HOST/PORT itself, without a proxy. Docker ends the check after the
# timeout of HEALTHCHECK.

fail() {
  echo "not healthy: $1" >&2
  exit 1
}

# The words of the command line, those of a shell's script (`sh -c`) included; -f: a * is not a pattern.
set -f
words=()
while IFS= read -r -d '' argument; do
  # shellcheck disable=SC2206
  split=($argument)
  ((${#split[@]})) || split=("$argument")
  words+=("${split[@]}")
done 2>/dev/null < "/proc/${1:-1}/cmdline" || fail "process ${1:-1} does not exist"

count=${#words[@]}
host=127.0.0.1 tls=
for ((i = 0; i < count; i++)); do
  case ${words[i]} in
    http) port=8000 path=/healthz ;;
    sandbox) port=8765 path=/_sandbox ;;
    *) continue ;;
  esac
  break
done
((i < count)) || exit 0

for ((i++; i < count; i++)); do
  option=${words[i]%%=*}
  # As the server's parser does, accept an option that is abbreviated but unique.
  case $option in
    --ho | --hos | --host) name=host ;;
    --p | --po | --por | --port) name=port ;;
    --t | --tl | --tls) tls=1; continue ;;
    *) continue ;;
  esac
  if [[ ${words[i]} == *=* ]]; then
    value=${words[i]#*=}
  else
    ((i + 1 < count)) || fail "argument $option: expected one argument"
    value=${words[++i]}
  fi
  printf -v "$name" %s "$value"
done
[[ $port =~ ^[0-9]+$ ]] || fail "argument --port: invalid port '$port'"
case $host in
  '' | 0.0.0.0) host=127.0.0.1 ;;
  ::) host=::1 ;;
esac

{ exec 3<> "/dev/tcp/$host/$port"; } 2>/dev/null || fail "cannot connect to $host port $port"
[[ -z $tls ]] || exit 0
trap '' PIPE  # bash sends each line separately, and the service may close the connection in between
printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$path" >&3 2>/dev/null
read -r protocol status _ <&3
[[ $protocol == HTTP/1.* && $status == 200 ]] || fail "$path returned ${status:-nothing}"
