/** Search: the SQL finds what an independent matcher in memory finds, on both databases. */
import fc from 'fast-check'
import { sql } from 'kysely'
import t from 'tap'
import { ownDatabase, startService } from '../../scripts/support/service.ts'
import { fold, foldedColumn, matchesSearch, type SearchPatterns, searchPatterns } from '../../src/tasks/search.ts'
import { openDisposable } from '../support/database.ts'

interface Searched {
  title: string
  description: string | null
}

const config = await ownDatabase()
const database = await openDisposable(config)
const { kysely } = database
t.teardown(async () => {
  await database[Symbol.asyncDispose]()
  await config[Symbol.asyncDispose]()
})
await sql`
  create table searched (
    id int generated always as identity,
    title text not null, description text, title_folded text, description_folded text
  )`.execute(kysely)

async function store(tasks: Searched[]): Promise<void> {
  await sql`truncate searched restart identity`.execute(kysely)
  const rows = tasks.map(task => ({
    ...task,
    title_folded: foldedColumn(task.title),
    description_folded: foldedColumn(task.description),
  }))
  // From JSON, which passes a null as null.
  await sql`
    insert into searched (title, description, title_folded, description_folded)
    select title, description, title_folded, description_folded
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb)
      as given (title text, description text, title_folded text, description_folded text)`.execute(kysely)
}

const fields = [
  { column: 'title', folded: 'title_folded' },
  { column: 'description', folded: 'description_folded' },
]

/** The numbers of the stored tasks that match, from 0. */
async function search(patterns: SearchPatterns): Promise<number[]> {
  const { rows } = await sql<{ id: number }>`
    select id from searched where ${matchesSearch(fields, patterns)} order by id`.execute(kysely)
  return rows.map(({ id }) => id - 1)
}

async function finds(query: string, title: string, description: string | null = null): Promise<boolean> {
  await store([{ title, description }])
  return (await search(searchPatterns(query) as SearchPatterns)).length === 1
}

/** Each with a query, a title that it finds, and one that it does not find. */
const cases: Record<string, [query: string, found: string, notFound: string]> = {
  'the beginning of a word': ['landing', 'New landingpages', 'Outlanding'],
  'all words, in any order': ['milk buy', 'Buy oat milk', 'Buy oats'],
  'a word that begins another one': ['a ab', 'Abc', 'A'],
  'accents in the text': ['cafe', 'Café', 'Cave'],
  'accents in the query': ['CAFÉ', 'cafe au lait', 'decafe'],
  'combining marks': ['e\u0301te\u0301', 'Été', 'Eta'],
  'a soft hyphen in a word': ['shipping', 'ship\u00adping', 'ship\u2010ping'],
  'capitals and the final sigma': ['ΣΊΣΥΦΟΣ', 'σίσυφος', 'σίσυφοι'],
  'a sigma that is not final': ['σισυφοσ', 'ΣΊΣΥΦΟΣ', 'ΣΊΣΥΦΟΙ'],
  'sharp s': ['strasse', 'Lange Straße', 'Strabe'],
  'Turkish dotted I': ['istanbul', 'İSTANBUL', 'STANBUL'],
  'Turkish dotless I': ['ISPARTA', 'ısparta', 'sparta'],
  Cyrillic: ['ЕЛКА', 'ёлка', 'белка'],
  'Arabic without vowel points': ['سلام', 'سَلَامٌ', 'كلام'],
  'Hindi vowels': ['कि', 'किताब', 'काम'],
  Han: ['電池', '新しい電池を買う', '電気の池'],
  'voiced kana': ['カ', 'ｶｷを買う', 'ガキ'],
  'Hangul syllables': ['하', '하늘', '학교'],
  'two scripts in one word': ['3月5日', '会議は３月５日', '3月15日'],
  'Latin after Han': ['phone', '電池phone', '電池xphone'],
  Thai: ['นม', 'ซื้อนมสด', 'ซื้อน้ำ'],
  Lao: ['ນົມ', 'ຊື້ນົມສົດ', 'ຊື້ນ້ຳ'],
  Khmer: ['ទឹក', 'ទិញទឹកដោះគោ', 'ទិញបាយ'],
  Myanmar: ['နို့', 'ဝယ်နို့', 'ဝယ်ထမင်း'],
  'emoji between words': ['rocket ship', '🚀rocket🚀ship👩‍🚀', 'rocket🚀'],
  'full-width digits': ['123', 'No.１２３', 'No.１０'],
  percent: ['100%', '100 of 5', '5 of 10'],
  underscore: ['b', 'a_b', 'ab'],
  backslash: ['\\d\\', 'C:\\dir', '5'],
  'double quote': ['"say', 'to "say" it', 'gainsay'],
  'single quote': ["o'brien", "O'Brien", 'Obrien'],
  'metacharacters of expressions': ['(.*) [a-z]+ ^$ | a{2}', 'a b z 2', 'b z 2'],
  'a line break': ['second', 'first\nsecond', 'first\nxsecond'],
}

for (const [name, [query, found, notFound]] of Object.entries(cases))
  t.test(`search: ${name}`, async t => {
    for (const other of ['', ' é', ' 月']) {
      t.ok(await finds(query, found + other), `${found}${other}`)
      t.notOk(await finds(query, notFound + other), `${notFound}${other}`)
      t.ok(await finds(query, 'x', found + other), 'in the description')
      t.notOk(await finds(query, `é${other}`, notFound + other))
    }
  })

t.test('words may be in different fields, but no word extends over both', async t => {
  t.ok(await finds('milk cafe', 'Milk', 'Café'))
  t.ok(await finds('milk cafe', 'Café', 'Milk'))
  t.notOk(await finds('3月', '3', '月'))
  t.ok(await finds('3月', '3 月'))
})

t.test('a query of 200 words', async t => {
  const words = Array.from({ length: 200 }, (_, i) => `w${i.toString(36)}x`)
  t.ok(await finds(words.join(' '), words.toReversed().join('-')))
  t.notOk(await finds(words.join(' '), words.slice(1).join('-')))
})

t.test('a query without a word has no pattern', async t => {
  for (const query of ['', ' ', '%', '_', '\\', '…!?', '🚀', '\u0301', '\u00ad'])
    t.equal(searchPatterns(query), undefined)
})

t.test('only text that is not ASCII is stored folded', async t => {
  t.equal(foldedColumn(null), null)
  t.equal(foldedColumn('Buy: Milk!\t\x7f'), null)
  t.equal(foldedColumn('Crème – BRÛLÉE!'), 'creme brulee')
  t.equal(foldedColumn('–'), '', 'and hides the original')
})

t.test('folding a folded text does not change it', async t => {
  for (let block = 0; block < 0x110000; block += 256) {
    const characters = Array.from({ length: 256 }, (_, i) => String.fromCodePoint(block + i))
    for (const separator of ['a', 'か']) {
      const folded = fold(characters.join(separator))
      if (fold(folded) !== folded || !/^[\p{L}\p{M}\p{N} ]*$/u.test(folded)) t.fail(`U+${block.toString(16)}`)
    }
  }
  const text = fc.string({ unit: 'binary', maxLength: 50 })
  fc.assert(fc.property(text, text => fold(fold(text)) === fold(text) && fold(text.normalize('NFD')) === fold(text)))
})

/** Runs of one kind of script: [whether it has no spaces, text][]. Written apart from the module, with Intl. */
type Run = [boolean, string]
const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' })

function runsByWord(text: string): Run[][] {
  const result: Run[][] = []
  let isInWord = false
  for (const { segment } of segmenter.segment(text)) {
    for (const character of segment.normalize('NFKD')) {
      if (/[\u0300-\u036f]/.test(character)) continue
      if (!/[\p{L}\p{M}\p{N}]/u.test(character)) {
        isInWord = false
        continue
      }
      const folded = ({ ß: 'ss', ς: 'σ', ı: 'i' } as Record<string, string>)[character] ?? character.toLowerCase()
      const isUnspaced = /[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]/.test(character)
      if (!isInWord) result.push([])
      isInWord = true
      const word = result.at(-1) as Run[]
      const run = word.at(-1)
      if (run?.[0] === isUnspaced) run[1] += folded
      else word.push([isUnspaced, folded])
    }
  }
  return result
}

/** Whether each word of the query is somewhere in one of the texts. */
function matchesInMemory(query: string, task: Searched): boolean {
  const texts = [task.title, task.description ?? ''].map(text => runsByWord(text).flat())
  return runsByWord(query).every(word =>
    texts.some(runs =>
      runs.some((_, start) =>
        word.every(([isUnspaced, wanted], i) => {
          const text = runs[start + i]?.[1]
          if (text === undefined) return false
          if (i > 0 || !isUnspaced) return i === word.length - 1 ? text.startsWith(wanted) : text === wanted
          return word.length === 1 ? text.includes(wanted) : text.endsWith(wanted)
        }),
      ),
    ),
  )
}

t.test('random queries find what the matcher in memory finds', async t => {
  const unit = fc.constantFrom(
    ...['a', 'b', 'A', 'ab', 'ba', '1', '１', 'é', 'E\u0301', 'ß', 'ς', 'Σ', 'İ', 'ı', 'Ж', '月', '日', 'か', 'カ'],
    ...['น', 'ม', ' ', ' ', ' ', '-', '_', '%', '\\', '.', '(', ')', '[', '*', '^', '$', '|', "'", '"', '\n', '🚀'],
  )
  const task = fc.record({
    title: fc.string({ unit, minLength: 1, maxLength: 12 }),
    description: fc.option(fc.string({ unit, maxLength: 20 })),
  })
  const tasks = fc.array(task, { minLength: 20, maxLength: 20 })
  const queries = fc.array(fc.string({ unit, minLength: 1, maxLength: 5 }), { minLength: 10, maxLength: 10 })
  let [pairs, matches] = [0, 0]
  await fc.assert(
    fc.asyncProperty(tasks, queries, async (tasks, queries) => {
      await store(tasks)
      for (const query of queries) {
        const patterns = searchPatterns(query)
        t.equal(patterns === undefined, runsByWord(query).length === 0)
        if (patterns === undefined) continue
        const expected = tasks.flatMap((task, i) => (matchesInMemory(query, task) ? [i] : []))
        if ((await search(patterns)).join() !== expected.join())
          throw new Error(`${JSON.stringify(query)}: ${expected}`)
        pairs += tasks.length
        matches += expected.length
      }
    }),
    { numRuns: 40 },
  )
  t.ok(pairs >= 1000 && matches >= 100 && matches <= pairs - 100, `${matches} of ${pairs} pairs match`)
})

t.test('q has at least one word and at most ten', async t => {
  await using service = await startService()
  const alice = await service.newUser()
  const { id } = await alice.createTask({ title: 'one two three four five six seven eight nine ten' })
  const list = (q: string) => alice.send.listTasks({ query: { q } })
  const error = (detail: RegExp) => ({ status: 400, body: { errors: [{ in: 'query', name: 'q', detail }] } })
  t.match(await list('one two three four five six seven eight nine ten'), { status: 200, body: { data: [{ id }] } })
  t.match(await list('one two three four five six seven eight nine ten eleven'), error(/at most 10 words/))
  t.match(await list('!'), error(/a letter or a digit/))
})

t.test('what exceeds 20,000 characters of a folded text is not searched', async t => {
  // 18 characters each when folded.
  t.equal(foldedColumn('\ufdfa'.repeat(10_000))?.length, 20_000)
})
