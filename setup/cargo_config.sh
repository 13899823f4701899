# Tells cargo where libtorch is, so that plain `cargo build` works too. Sourced by setup.sh.
# The file is git-ignored. It is rewritten only when it says something else, and only when it is ours.

config_mark="# Written by \`make setup\`; remove the file to start over."

configured_libtorch() {
    [ -e "$config" ] || return 0
    sed -n 's/^LIBTORCH = "\(.*\)"$/\1/p' "$config" | sed 's/\\\(["\\]\)/\1/g' | head -n 1
}

write_cargo_config() {
    [ "$(configured_libtorch)" = "$1" ] && return
    if [ -e "$config" ] && ! grep -qF "$config_mark" "$config"; then
        echo "$config is your own file, so set-up leaves it alone. Add to it:" >&2
        cargo_config "$1" >&2
        exit 1
    fi
    mkdir -p "$(dirname "$config")"
    cargo_config "$1" >"$config.$$"
    mv "$config.$$" "$config"
}

cargo_config() {
    local quoted
    quoted=$(printf '%s' "$1" | sed 's/["\\]/\\&/g')
    printf '%s\n[env]\nLIBTORCH = "%s"\n' "$config_mark" "$quoted"
}
