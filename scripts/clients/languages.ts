/** The languages in which `npm run clients` proves a generated client. A language is an entry here and a folder. */

export interface Language {
  /** Its section of docs/clients.md, which has the commands that generate the client. */
  heading: string
  /** Commands that succeed if the toolchain is installed. */
  toolchain: string[]
  /** Builds the tour with the client and runs it; the files of `scripts/clients/<name>/` are beside the client. */
  tour: string
  /** What stays in the folder from run to run, because it takes long to install or build. */
  keep: string[]
}

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
    tour: '.venv/bin/pip install --quiet mypy==2.4.1 && .venv/bin/mypy tour.py && .venv/bin/python tour.py',
    keep: ['.venv'],
  },
  go: {
    heading: 'Go',
    toolchain: ['go version'],
    tour: 'go vet ./... && go run .',
    keep: [],
  },
  java: {
    heading: 'Java',
    toolchain: ['mvn --version', 'javac --version'],
    tour: `
      mvn -q -B -f tasks package -Dmaven.test.skip -Dmaven.javadoc.skip -Dmaven.source.skip
      java -cp 'tasks/target/*:tasks/target/lib/*' Tour.java
    `.replaceAll(/^ +/gm, ''),
    keep: [],
  },
  rust: {
    heading: 'Rust',
    toolchain: ['mvn --version', 'cargo --version'],
    tour: 'cargo run --quiet',
    keep: ['target', 'Cargo.lock'],
  },
  csharp: {
    heading: 'C# (.NET)',
    toolchain: ['mvn --version'],
    tour: 'sh check.sh',
    keep: [],
  },
}
