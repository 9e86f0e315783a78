# The names of Lambda's two processor architectures, here and in Rust. Sourced by dev/build and
# dev/deploy.

this_architecture() {
  case $(uname -m) in
    arm64 | aarch64) echo arm64 ;;
    *) echo x86_64 ;;
  esac
}

triple() {
  case $1 in
    x86_64) echo x86_64-unknown-linux-gnu ;;
    arm64) echo aarch64-unknown-linux-gnu ;;
    *) echo "ARCH is x86_64 or arm64, not '$1'" >&2; return 1 ;;
  esac
}

# Requires Rust's standard library for the architecture; cargo-lambda would download it without
# asking.
require_target() {
  local target
  target=$(triple "$1") || exit 1
  [ -d "$(rustc --print target-libdir --target "$target")" ] && return
  echo "Rust's $target is missing: rustup target add $target" >&2
  exit 1
}
