#!/bin/sh
# The Debian packages that the tests of live sound need: installed where that is allowed, named where it is not.
# Nothing is done when the programs and libraries are there, however they came.
set -u

missing() {
    found=""
    ldconfig -p 2>/dev/null | grep -q 'libportaudio\.so\.2' || found="$found libportaudio2"
    command -v pulseaudio >/dev/null || found="$found pulseaudio"
    command -v pactl >/dev/null && command -v paplay >/dev/null || found="$found pulseaudio-utils"
    find /usr/lib /usr/local/lib -name libasound_module_pcm_pulse.so 2>/dev/null | grep -q . ||
        found="$found libasound2-plugins"
    echo "$found"
}

PATH="$PATH:/sbin:/usr/sbin"
wanted=$(missing)
[ -z "$wanted" ] && exit 0

if [ "$(id -u)" -eq 0 ]; then
    as_root=""
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root="sudo -n"
else
    as_root="not allowed"
fi

if command -v apt-get >/dev/null && [ "$as_root" != "not allowed" ]; then
    echo "installing for the tests of live sound:$wanted ..."
    $as_root apt-get update -qq
    # shellcheck disable=SC2086 (several words on purpose)
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $wanted >/dev/null
    wanted=$(missing)
    [ -z "$wanted" ] && exit 0
fi
echo "the tests of live sound need what is not installed; on Debian or Ubuntu:" >&2
echo "  sudo apt-get update && sudo apt-get install$wanted" >&2
exit 1
