# Reads .env, or .env.example where there is none, into the environment, and shows settings on a screen. Sourced by dev/run.
# Owns: the file's form, the same as in functions/src/config/dotenv.rs. Must not know: which settings there are.
# The environment beats the file; of a name that stands there twice, the last counts.

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
    # the line itself may hold a secret: only its number is told
    [[ $line =~ $assignment ]] || die "$file, line $number: not NAME=value"
    name=${BASH_REMATCH[2]} value=${BASH_REMATCH[3]}
    if [[ $value =~ $quoted ]]; then
      value=${BASH_REMATCH[2]}${BASH_REMATCH[3]}
    elif [[ $value == [\"\']* ]]; then
      die "$file, line $number: the quote is not closed, or something follows it"
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

# without_password URL: as it may stand on a screen. A password may hold an @ itself: only the last one ends it.
without_password() {
  case $1 in
    *://*@*) echo "${1%%://*}://…@${1##*@}" ;;
    *) echo "$1" ;;
  esac
}
