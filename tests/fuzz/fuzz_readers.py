"""Fuzz the readers with either engine: structure-aware changes of real logs, and an independent count of what is read.

    python tests/fuzz/fuzz_readers.py --engine hypothesis --inputs 1000 --seconds 60
    python tests/fuzz/fuzz_readers.py --engine atheris --inputs 1000 --seconds 60 --reader lm-eval

Every input must end in records or in an error of neff, in 5 s of processor time and 1 GB of memory, and the records
must hold as many units (lines, samples, results) as the file does, counted by `counts.py` without neff. `--inputs` and
`--seconds` hold for each reader, which is fuzzed in a process of its own. A failure names its plan; to see it again:

    python tests/fuzz/fuzz_readers.py --reader lm-eval --plan 0a1b2c

Atheris is not among the packages of the tests: install it into an environment of its own that sees those of neff too.
"""

from __future__ import annotations

import argparse
import atexit
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from checking import MEGABYTES, Fuzzer, peak
from seeds import seeds


def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def limit_memory() -> None:
    """Let the process map one gigabyte more than now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * os.sysconf("SC_PAGE_SIZE") + (MEGABYTES << 20)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def with_hypothesis(fuzzer: Fuzzer, options: argparse.Namespace) -> None:
    """Let Hypothesis make the plans; it shrinks the one that fails."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded
    from hypothesis import strategies as st

    end = time.monotonic() + options.seconds

    @seeded(options.seed)
    @settings(
        max_examples=options.inputs,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.binary(min_size=24, max_size=64))
    def each(plan: bytes) -> None:
        if time.monotonic() < end:
            fuzzer.run(plan)

    each()


def with_atheris(fuzzer: Fuzzer, options: argparse.Namespace) -> None:
    """Let libFuzzer make the plans, guided by the lines of the readers that they reach."""
    import atheris

    def each(plan: bytes) -> None:
        fuzzer.run(plan)
        if fuzzer.n % 25 == 0:
            write_report(fuzzer, options.report)  # libFuzzer ends the process without coming back

    flags = {"runs": options.inputs, "max_total_time": round(options.seconds), "seed": options.seed, "max_len": 64}
    flags |= {"rss_limit_mb": 0, "verbosity": 0, "len_control": 0}
    arguments = [f"-{name}={value}" for name, value in flags.items()]
    atexit.register(write_report, fuzzer, options.report)
    atheris.Setup([sys.argv[0], *arguments, f"-artifact_prefix={options.report.parent}/"], each)
    atheris.Fuzz()


def write_report(fuzzer: Fuzzer, path: Path) -> None:
    """Write what has been seen so far."""
    counts = {name: fuzzer.outcomes[name] for name in ("read", "refused", "counted")}
    path.write_text(json.dumps({"inputs": fuzzer.n, **counts, "slowest_s": fuzzer.slowest, "peak_mb": peak()}))


def fuzz(reader: str, options: argparse.Namespace) -> None:
    """Fuzz one reader in this process."""
    if options.engine == "atheris":
        import atheris

        with atheris.instrument_imports(include=["neff.records"]):
            from neff.records.detect import readers

            readers()
    folder = Path(tempfile.mkdtemp(prefix="neff-fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    fuzzer = Fuzzer(reader, folder / "input")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if options.plan is not None:
        fuzzer.run(bytes.fromhex(options.plan))
        return
    fuzzer.warm_up()
    limit_memory()
    (with_atheris if options.engine == "atheris" else with_hypothesis)(fuzzer, options)
    write_report(fuzzer, options.report)


def fuzz_all(options: argparse.Namespace) -> bool:
    """Fuzz each reader in a process of its own; print a line for each, and return whether all went well."""
    total, failed = 0, []
    for reader in options.reader or seeds():
        with tempfile.TemporaryDirectory(prefix="neff-fuzz-") as folder:
            report = Path(folder) / "report.json"
            words = ["--child", "--engine", options.engine, "--reader", reader, "--inputs", options.inputs]
            words += ["--seconds", options.seconds, "--seed", options.seed, "--report", report]
            done = subprocess.run(
                [sys.executable, __file__, *map(str, words)], capture_output=True, text=True, check=False
            )
            found = json.loads(report.read_text()) if report.exists() else {}
        total += found.get("inputs", 0)
        say(f"{reader:16}" + " ".join(f"{name} {value:g}" for name, value in found.items()))
        if done.returncode or not found.get("read"):
            failed.append(reader)
            say("\n".join(done.stderr.strip().splitlines()[-options.lines :]))
    say(f"{options.engine}: {total} inputs, {len(failed)} readers failed {failed or ''}")
    return not failed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=("hypothesis", "atheris"), default="hypothesis")
    parser.add_argument("--reader", action="append", choices=sorted(seeds()), help="all by default; repeatable")
    parser.add_argument("--inputs", type=int, default=700)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lines", type=int, default=25, help="of the output of a failure")
    parser.add_argument("--plan", help="bytes in hexadecimal: one input again")
    parser.add_argument("--report", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child or options.plan is not None:
        fuzz(options.reader[0], options)
    elif not fuzz_all(options):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
