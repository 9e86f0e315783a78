# Reads .env, or .env.example if there is none, into the environment. Sourced by dev/run. The syntax
# is the same as in functions/src/config/dotenv.rs. The environment beats the file; the last of two
# equal names counts.

load_settings() {
  local file=.env line number=0 name value ours=' '
  local assignment='^[[:space:]]*(export[[:space:]]+)?([A-Za-z_][A-Za-z0-9_]*)[[:space:]]*=[[:space:]]*(.*)$'
  local quoted="^(\"([^\"]*)\"|'([^']*)')[[:space:]]*(#.*)?\$"
  [ -e "$file" ] || file=.env.example
  [ -e "$file" ] || return 0
  while IFS= read -r line || [ -n "$line" ]; do
    number=$((number + 1)) line=${line%$'\r'}
    [ $number != 1 ] || line=${line#$'\xef\xbb\xbf'} # a byte order mark
    [[ $line =~ ^[[:space:]]*(#.*)?$ ]] && continue
    # The line itself may hold a secret, so only its number is shown.
    [[ $line =~ $assignment ]] || die "$file, line $number: not NAME=value"
    name=${BASH_REMATCH[2]} value=${BASH_REMATCH[3]}
    if [[ $value =~ $quoted ]]; then
      value=${BASH_REMATCH[2]}${BASH_REMATCH[3]}
    elif [[ $value == [\"\']* ]]; then
      die "$file, line $number: the quote is not closed, or text follows it"
    else
      value=${value%%[[:space:]]#*}
      value=${value%"${value##*[![:space:]]}"}
    fi
    if [ -z "${!name+set}" ] || [[ $ours == *" $name "* ]]; then
      export "$name=$value"
      ours="$ours$name "
    fi
  done <"$file"
}

# without_password URL: the URL for a screen. A password may contain an @, so only the last one ends
# it.
without_password() {
  case $1 in
    *://*@*) echo "${1%%://*}://…@${1##*@}" ;;
    *) echo "$1" ;;
  esac
}
