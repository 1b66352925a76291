"""Completion of the command line, as programs of three shells: all that can be said stands in them, so that nothing is started while somebody types."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pypidaemon.commands.grammar import Verb, Word

_WALK = """\
    for ((at = {first}; at < {current}; at++)); do
        one=${{{words}[at]}}
        if [[ $skip ]]; then skip=; continue; fi
        case "$verb $one" in
            {taking}) skip=yes; continue;;
        esac
        [[ $one == -* ]] && continue
        case "${{verb:+$verb }}$one" in
            {paths}) verb=${{verb:+$verb }}$one; number=0;;
            *) ((number += 1));;
        esac
    done
"""
"""Which verb has been said by now, and how many arguments behind it; the same in both shells."""


def bash(verbs: Sequence[Verb]) -> str:
    """For bash 4.4 or newer."""
    cases = []
    for verb, words in _verbs(verbs):
        cases += [f"        '{verb.name} '{option})\n            {_in_bash(word)}\n            return;;" for word, option in _valued(words)]
    stands = [f"        '{verb.name} '{place})\n            {_in_bash(word)};;" for verb, place, word in _standing(verbs)]
    offers = [f"        '{verb.name}') words='{' '.join(_spelled(verb))}';;" for verb, _ in _verbs(verbs)]
    return f"""\
# Completion for bash. It is read by: source <(pypidaemon completion bash)

_pypidaemon_words() {{
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "$word")
}}

_pypidaemon_files() {{
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen "$1" -- "$word")
}}

_pypidaemon() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} verb= skip= one= words= at number=0
    # A value behind = comes as a word of its own.
    if [[ $word == = ]]; then
        word=
    elif [[ $before == = ]]; then
        before=${{COMP_WORDS[COMP_CWORD - 2]}}
    fi
    COMPREPLY=()
{_walk(verbs, "COMP_WORDS", 1, "COMP_CWORD")}\
    case "$verb $before" in
{_lines(cases)}
    esac
    case "$verb" in
{_lines(offers)}
    esac
    if [[ $word == -* ]]; then
        _pypidaemon_words "$words"
        return
    fi
    case "$verb" in
{_lines(_groups(verbs, "        '{0}') _pypidaemon_words '{1}'; return;;"))}
    esac
    case "$verb $number" in
{_lines(stands)}
    esac
}}

complete -F _pypidaemon pypidaemon
"""


def zsh(verbs: Sequence[Verb]) -> str:
    """For zsh 5, sourced behind `compinit` or as a file `_pypidaemon` in a folder of `fpath`."""
    cases = []
    for verb, words in _verbs(verbs):
        cases += [f"        ('{verb.name} '{option}) {_in_zsh(word)}; return;;" for word, option in _valued(words)]
    stands = [f"        ('{verb.name} '{place}) {_in_zsh(word)};;" for verb, place, word in _standing(verbs)]
    offers = [
        f"        ('{verb.name}') offered=({' '.join(_described((option, word.help) for word in words for option in word.names))});;"
        for verb, words in _verbs(verbs)
    ]
    groups = [
        f"        ('{name}') offered=({' '.join(_described((one, verb.help) for one, verb in inner))});;" for name, inner in _inner(verbs)
    ]
    return f"""\
#compdef pypidaemon
# Completion for zsh. It is read by: source <(pypidaemon completion zsh), behind compinit

_pypidaemon() {{
    local word="${{words[CURRENT]}}" before="${{words[CURRENT-1]}}" verb= skip= one= at number=0
    local -a offered
{_walk(verbs, "words", 2, "CURRENT")}\
    case "$verb $before" in
{_lines(cases)}
    esac
    if [[ $word == -* ]]; then
        case "$verb" in
{_lines(offers)}
        esac
        _describe option offered
        return
    fi
    case "$verb" in
{_lines(groups)}
    esac
    if (( ${{#offered[@]}} )); then
        _describe verb offered
        return
    fi
    case "$verb $number" in
{_lines(stands)}
    esac
}}

if [[ ${{funcstack[1]-}} == _pypidaemon ]]; then
    _pypidaemon "$@"
else
    compdef _pypidaemon pypidaemon
fi
"""


def fish(verbs: Sequence[Verb]) -> str:
    """For fish 3."""
    taking = " ".join(f"'{verb.name} {option}'" for verb, words in _verbs(verbs) for word in words if word.metavar for option in word.names)
    paths = " ".join(f"'{verb.name}'" for verb, _ in _verbs(verbs) if verb.name)
    lines = []
    for name, inner in _inner(verbs):
        lines += [f"{_at(name)} -f -a {one} -d {_quoted(verb.help)}" for one, verb in inner]
    for verb, words in _verbs(verbs):
        lines += [f"{_at(verb.name)} {_in_fish(word)} -d {_quoted(word.help)}" for word in words]
        lines += [
            f"{_at(verb.name, place)} {_fish_values(word)}" for one, place, word in _standing(verbs) if one is verb and _fish_values(word)
        ]
    return f"""\
# Completion for fish. It is read by: pypidaemon completion fish | source

function __pypidaemon_at
    set -l verb ''
    set -l skip ''
    set -l number 0
    for one in (commandline -opc)[2..]
        if test -n "$skip"
            set skip ''
        else if contains -- "$verb $one" {taking}
            set skip yes
        else if not string match -q -- '-*' $one
            set -l longer (string trim -- "$verb $one")
            if contains -- "$longer" {paths}
                set verb $longer
                set number 0
            else
                set number (math $number + 1)
            end
        end
    end
    test "$verb" = "$argv[1]"; or return 1
    # With a second word it is about what stands at that place; `+` is any place.
    test (count $argv) -lt 2; and return 0
    test "$argv[2]" = '+'; or test "$argv[2]" = "$number"
end

complete -c pypidaemon -f
{_lines(lines)}
"""


SHELLS = {"bash": bash, "zsh": zsh, "fish": fish}
"""The shells that are known."""

_WHOLE = (Word(("-h", "--help"), "", "show what can be said"), Word(("--version",), "", "print the version"))


def _verbs(verbs: Sequence[Verb]) -> Iterator[tuple[Verb, tuple[Word, ...]]]:
    """Every verb with its options, and first the command itself, which is called by no name."""
    yield Verb("", "", "", "", _WHOLE, (), tuple(verbs)), _WHOLE
    for verb in verbs:
        for one in verb.all():
            yield one, one.options


def _inner(verbs: Sequence[Verb]) -> Iterator[tuple[str, list[tuple[str, Verb]]]]:
    """Every group by its name, with the last words of its verbs."""
    for verb, _ in _verbs(verbs):
        if verb.verbs:
            yield verb.name, [(one.name.rpartition(" ")[2], one) for one in verb.verbs]


def _groups(verbs: Sequence[Verb], line: str) -> list[str]:
    return [line.format(name, " ".join(one for one, _ in inner)) for name, inner in _inner(verbs)]


def _spelled(verb: Verb) -> Iterator[str]:
    for word in verb.options:
        yield from word.names


def _valued(words: Iterable[Word]) -> Iterator[tuple[Word, str]]:
    """Options that take a value, by each of their names."""
    for word in words:
        if word.metavar:
            yield from ((word, name) for name in word.names)


def _standing(verbs: Sequence[Verb]) -> Iterator[tuple[Verb, str, Word]]:
    """What stands without an option and can be completed: the verb, its place (from 0; a pattern for all behind it where there can be many), and what it is."""
    for verb, _ in _verbs(verbs):
        for place, word in enumerate(verb.arguments):
            if word.choices or word.is_file or word.is_folder:
                yield verb, "*" if word.many and place == 0 else str(place), word


def _walk(verbs: Sequence[Verb], words: str, first: int, current: str) -> str:
    taking = " | ".join(f"'{verb.name} {option}'" for verb, known in _verbs(verbs) for _, option in _valued(known))
    paths = " | ".join(f"'{verb.name}'" for verb, _ in _verbs(verbs) if verb.name)
    return _WALK.format(first=first, current=current, words=words, taking=taking, paths=paths)


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(lines)


def _in_bash(word: Word) -> str:
    if word.choices:
        return f"_pypidaemon_words '{' '.join(word.choices)}'"
    return "_pypidaemon_files -f" if word.is_file else "_pypidaemon_files -d" if word.is_folder else ":"


def _in_zsh(word: Word) -> str:
    if word.choices:
        return f"compadd -- {' '.join(word.choices)}"
    return "_files" if word.is_file else "_files -/" if word.is_folder else f"_message {_quoted(word.metavar)}"


def _described(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    for word, help_ in rows:
        yield "'" + f"{word}:{help_}".replace("'", "'\\''") + "'"


def _at(name: str, place: str = "") -> str:
    more = f" '{'+' if place == '*' else place}'" if place else ""
    condition = f"__pypidaemon_at '{name}'{more}"
    return f'complete -c pypidaemon -n "{condition}"'


def _in_fish(word: Word) -> str:
    names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in word.names)
    if not word.metavar:
        return names
    return f"{names} {'-r ' + _fish_values(word) if _fish_values(word) else '-x'}"


def _fish_values(word: Word) -> str:
    if word.choices:
        return f"-f -a '{' '.join(word.choices)}'"
    return "-F" if word.is_file else "-f -a '(__fish_complete_directories)'" if word.is_folder else ""


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
