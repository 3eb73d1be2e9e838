/**
 * The languages in which `npm run clients` proves a generated client. A language is an entry here and a folder, with a
 * lock file where the language has one. Java needs none: a pom states exact versions.
 *
 * After a change of versions in docs/clients.md, `npm run clients` fails and prints the folder with the new lock file.
 * For Python, empty constraints.txt first. For Rust, run `cargo generate-lockfile` in that folder.
 */

export interface Language {
  /** Its section of docs/clients.md, which has the commands that generate the client. */
  heading: string
  /** Commands that succeed if the toolchain is installed. */
  toolchain: string[]
  /** Builds the tour with the client and runs it; the files of `scripts/clients/<name>/` are beside the client. */
  tour: string
  /** Variables with which the commands use the lock file. */
  environment?: Record<string, string>
  /** What stays in the folder from run to run, because it takes long to install or build. */
  keep: string[]
}

const script = (text: string) => text.replaceAll(/^ +/gm, '')

export const languages: Record<string, Language> = {
  typescript: {
    heading: 'TypeScript',
    toolchain: ['node --version'],
    tour: 'npx tsc && node build/tour.js',
    keep: ['node_modules'],
  },
  python: {
    heading: 'Python',
    toolchain: ['python3 -c "import venv, ensurepip, sys; assert sys.version_info >= (3, 11)"'],
    tour: script(`
      .venv/bin/pip install --quiet mypy==2.4.1
      .venv/bin/pip freeze > constraints.txt
      .venv/bin/mypy tour.py
      .venv/bin/python tour.py
    `),
    environment: { PIP_CONSTRAINT: 'constraints.txt' },
    keep: [],
  },
  go: {
    heading: 'Go',
    toolchain: ['go version'],
    tour: 'go vet -mod=readonly ./... && go run -mod=readonly .',
    keep: [],
  },
  java: {
    heading: 'Java',
    toolchain: ['mvn --version', 'javac --version'],
    tour: script(`
      mvn -q -B -f tasks package -Dmaven.test.skip -Dmaven.javadoc.skip -Dmaven.source.skip
      java -cp 'tasks/target/*:tasks/target/lib/*' Tour.java
    `),
    keep: [],
  },
  rust: {
    heading: 'Rust',
    toolchain: ['mvn --version', 'cargo --version'],
    // Cargo.lock states the client's version, too, which is that of the contract and changes with every release.
    tour: script(`
      sed -i.bak 's/^version = .*/version = "0.0.0"/' tasks/Cargo.toml
      cargo run --quiet --locked
    `),
    keep: ['target'],
  },
  csharp: {
    heading: 'C# (.NET)',
    toolchain: ['mvn --version'],
    tour: 'sh check.sh',
    keep: [],
  },
}
