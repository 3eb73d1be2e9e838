/** Who may import whom: `npm run check` refuses every other import, types included. */

/** A room for each resource; a new one is added here. */
const resources = ['changes/', 'health/', 'tags/', 'tasks/', 'users/']

/**
 * The rooms of src/, and what each imports from the others: a room (`tasks/`) or one file of it (`tasks/page.ts`).
 * A new room is a new line; a room without a line may import nothing.
 */
const rooms = {
  'contract/': [[], 'The contract knows neither the server nor the database, so that it can be read and tested alone.'],
  'context.ts': [['contract/types.ts', 'database/tables.ts'], 'What every handler gets beside its input, as types.'],
  'process/': [
    ['database/store.ts', 'http/connections.ts'],
    'Log, metrics and start errors serve every room and depend on none. The metrics take two types of what they count.',
  ],
  'database/': [
    ['contract/problem.ts', 'process/start-error.ts'],
    'The database knows how to run statements, not what they are for.',
  ],
  ...Object.fromEntries(
    resources.map(room => [
      room,
      [
        ['context.ts', 'contract/', 'database/'],
        'A resource sees its input and the database, never the request or its caller.',
      ],
    ]),
  ),
  'changes/': [
    ['context.ts', 'contract/', 'database/', 'tasks/columns.ts', 'tasks/page.ts'],
    'The feed is a resource as well; it shares only the columns and the pages of tasks.',
  ],
  'tags/': [
    ['context.ts', 'contract/', 'database/', 'tasks/cursor.ts'],
    'Tags are a resource as well, although they are stored on tasks; their cursors have the form of those of tasks.',
  ],
  'handlers.ts': [['context.ts', ...resources], 'The table of handlers is the only place that knows all resources.'],
  'idempotency/': [
    ['contract/problem.ts', 'database/'],
    'A key is kept for any operation, so this room knows no operation and no request.',
  ],
  'jobs/': [
    ['config/', 'database/', 'process/metrics.ts', 'tasks/dates.ts', 'tasks/queries.ts'],
    'A job runs without requests; its interval and limits come from the configuration. Dates are recomputed as written.',
  ],
  'config/': [
    ['database/open.ts', 'process/start-error.ts'],
    'The configuration is read before anything runs. It borrows the type of the options of the database.',
  ],
  'auth/': [
    ['config/loopback.ts', 'contract/problem.ts'],
    'Access is decided from the token and the address, without the database.',
  ],
  'http/': [
    [
      'auth/guard.ts',
      'config/loopback.ts',
      'context.ts',
      'contract/',
      'database/',
      'handlers.ts',
      'idempotency/',
      'jobs/purge.ts',
      'process/metrics.ts',
      'process/start-error.ts',
    ],
    'HTTP calls the handlers through their table, knows no resource, and gets its options as parameters.',
  ],
  'commands/': [
    ['config/', 'contract/', 'database/', 'handlers.ts', 'jobs/', 'process/', 'users/'],
    'A command works on the database directly, without a server. Nothing imports commands.',
  ],
  'main.ts': [
    ['auth/', 'config/', 'contract/', 'database/', 'http/', 'jobs/', 'process/'],
    'The service is put together here, from the rooms but not from their contents.',
  ],
}

/** The packages that only some rooms may import. */
const packages = {
  '@?fastify': [['auth/', 'http/', 'main.ts'], 'The server can be replaced, and the rest be tested, without Fastify.'],
  'pg|@electric-sql': [['database/'], 'Only one room knows which of the two databases is in use.'],
  kysely: [
    ['commands/', 'context.ts', 'database/', 'http/', 'idempotency/', 'jobs/', ...resources],
    'Other rooms do not touch the database.',
  ],
  'openapi-backend|ajv': [['contract/'], 'Other rooms use what the contract compiles, not its compilers.'],
}

const escaped = path => path.replaceAll('.', '[.]')
const inSrc = paths => (paths.length === 0 ? [] : [`^src/(${paths.map(escaped).join('|')})`])
const forbid = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to })

const roomRules = Object.entries(rooms).map(([room, [others, comment]]) =>
  forbid(`room ${room}`, comment, { path: inSrc([room]) }, { path: '^src/', pathNot: inSrc([room, ...others]) }),
)

const packageRules = Object.entries(packages).map(([name, [allowed, comment]]) =>
  forbid(
    `package ${name}`,
    comment,
    { path: '^src/', pathNot: inSrc(allowed) },
    { path: `^node_modules/(@types/)?(${name})/` },
  ),
)

/** The files that are started and not imported. */
const started = ['^src/(main[.]ts|commands/|process/compile-cache[.]mjs)']
const startedBesides = [
  '^scripts/([^/]+|examples/.+)$',
  '^test/(.+[.]test|[^/]+/types)[.]ts$',
  // Started by their paths: the servers to compare with, a worker thread, and a module for --import.
  '^scripts/bench/(catch-all|floor|plain|usual|aggressor)[.]ts$',
  '^test/support/misbehave[.]mjs$',
]

export default {
  forbidden: [
    forbid('circle', 'Files that import each other cannot be understood or tested alone.', {}, { circular: true }),
    ...roomRules,
    forbid(
      'room without a line',
      'Every room of src/ has a line in .dependency-cruiser.mjs.',
      { path: '^src/', pathNot: inSrc(Object.keys(rooms)) },
      {},
    ),
    ...packageRules,
    forbid(
      'configuration',
      'Who starts something reads the configuration; everything else gets its options as parameters.',
      { path: '^src/', pathNot: '^src/(main[.]ts|commands/|config/|jobs/index[.]ts)' },
      { path: '^src/config/', pathNot: '^src/config/loopback[.]ts' },
    ),
    forbid(
      'service alone',
      'The service is installed without scripts and tests.',
      { path: '^src/' },
      { path: '^(scripts|test)/' },
    ),
    forbid(
      'development package',
      'The service is installed without devDependencies.',
      { path: '^(src|migrations)/' },
      { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], pathNot: '^node_modules/@types/' },
    ),
    forbid('unresolvable', 'The file or package does not exist.', {}, { couldNotResolve: true }),
    forbid('scripts', 'Scripts run without the tests.', { path: '^scripts/' }, { path: '^test/' }),
    forbid(
      'support',
      'What scripts and tests share depends on neither.',
      { path: '^scripts/support/' },
      { path: '^scripts/', pathNot: '^scripts/support/' },
    ),
    forbid(
      'tests',
      'A test of the service uses scripts/support only; test/scripts/ tests the scripts.',
      { path: '^test/', pathNot: '^test/scripts/' },
      { path: '^scripts/', pathNot: '^scripts/support/' },
    ),
    forbid(
      'migrations',
      'A migration is frozen: it must do the same after any change of the code. But texts are folded as queries are.',
      { path: '^migrations/' },
      { path: '^(src|scripts|test)/', pathNot: '^src/tasks/search[.]ts$' },
    ),
    forbid(
      'unused in the service',
      'Nothing that is started imports this file of src/.',
      { path: started },
      { path: '^src/', pathNot: started, reachable: false },
    ),
    forbid(
      'unused',
      'No script and no test imports this file.',
      { path: startedBesides },
      { path: '^(scripts|test)/', pathNot: startedBesides, reachable: false },
    ),
  ],
  options: {
    doNotFollow: { path: '^node_modules/' },
    // The tour is built beside a generated client.
    exclude: { path: '^scripts/clients/typescript/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'types', 'node', 'default'],
      extensions: ['.ts', '.mjs', '.js', '.d.ts'],
    },
  },
}
