import { stemmer } from 'stemmer'

/** Words that say how something is asked, not what about. */
const STOP_WORDS = new Set(
  (
    'a an and are as at be been but by can could did do does for from get gets got had has have having he her him his i if in is it its just let like may me more my ' +
    'no not of on or our out she should so some than that the their theirs them then there these they this those to too up us very was we were will with would ' +
    'you your yes please tell about know want think really ever dont cant isnt im whats whys hows doesnt didnt wont arent wasnt ok okay hey hi say said explain show because'
  ).split(' '),
)

/** Words that are in questions about anything, and weigh less than the others. */
const LIGHT_WORDS =
  'work make happen thing look need use call mean go come give find take put kind stuff way live thing use try keep move turn stay real different same inside body help'

/** How small children write the little words. */
const CHILD_SPELLINGS = new Map(
  Object.entries({
    why: 'wy whi wai whyy',
    what: 'wat wot wut whut waht',
    how: 'hw hao',
    where: 'wher wear whare',
    when: 'wen',
    who: 'hoo',
    does: 'duz dus dose doez',
    do: 'doo',
    is: 'iz',
    are: 'r ar',
    you: 'u yu yoo',
    because: 'cuz coz becuz becos cos bc',
    the: 'da teh th',
    have: 'hav haf',
    has: 'haz',
    they: 'thay dey',
    there: 'ther',
    can: 'kan',
    my: 'mi',
    we: 'wee',
    to: 'tu',
    know: 'no',
    of: 'ov',
    from: 'frum',
    was: 'woz wuz',
    many: 'meny',
    night: 'nite nyt',
    light: 'lite lyt',
    right: 'rite ryt',
    blue: 'bloo',
    come: 'cum',
    going: 'gonna',
    want: 'wanna wana',
    people: 'ppl peple',
    your: 'ur yor',
    through: 'thru',
    something: 'somthing sumthing',
    nothing: 'nuthing',
    every: 'evry',
    said: 'sed',
    says: 'sez',
    were: 'wer',
    little: 'littel litel',
    their: 'thier ther',
    please: 'pls plz',
    before: 'befor befour',
    things: 'fings',
    thing: 'fing',
    think: 'fink',
    some: 'sum',
  }).flatMap(([word, spellings]) => spellings.split(' ').map((spelling) => [spelling, word] as const)),
)

/** Words that tell one question about a thing from another: little, since children ask for one thing in many ways. */
const ASKING_WORDS = new Set('why how what where when who whom whose which many much most long far old often'.split(' '))

/** The words of a text. Most texts of ours are plain, and are taken apart in a fraction of the time. */
function wordsIn(text: string): string[] {
  if (/^[a-z0-9]+( [a-z0-9]+)*$/.test(text)) return text.split(' ')
  return text.match(/^[ -~]*$/.test(text) ? /[A-Za-z0-9][A-Za-z0-9']*/g : /[\p{L}\p{N}][\p{L}\p{N}\p{M}'’]*/gu) ?? []
}

/** Lower case without accents and apostrophes. */
const normalize = (word: string): string =>
  word
    .normalize('NFKD')
    .replace(/\p{M}|['’]/gu, '')
    .toLowerCase()

/** A word as the search reads it. Words that differ only by ending, or are synonyms, have the same number. */
export interface Word {
  /** Lower case, without accents, little words spelt as they should be. */
  readonly plain: string
  /** `telling` words say what about, `asking` ones how it is asked ("why", "many"), `filler` nothing. */
  readonly kind: 'telling' | 'asking' | 'filler'
  /** Of what it tells or asks; `UNKNOWN` when nothing learned says so. */
  readonly number: number
  /** Its row among the word vectors; `UNKNOWN` when it has none. */
  readonly row: number
}

export const UNKNOWN = -1

export interface Terms {
  /** Visits the words of a text in order, and remembers them. For texts of ours. */
  learn(text: string, visit: (word: Word) => void): void
  /** The words of a text in order, remembering nothing. For texts of children. */
  read(text: string): Word[]
  /** A learned word. */
  find(plain: string): Word | undefined
  /** All learned words. */
  learned(): IterableIterator<string>
  /** How many numbers there are. */
  size(): number
  /** The row among the word vectors of the commonest word with a number; `UNKNOWN` when none has one. */
  rowOf(number: number): number
  /** Whether the number is of words that are in questions about anything. */
  isLight(number: number): boolean
  /** All that has been learned. */
  keep(): LearnedWords
}

/** What has been learned, in a shape that can be kept: of each spelling its word, and of each number the stem that has it. */
export interface LearnedWords {
  readonly spellings: readonly string[]
  readonly plains: readonly string[]
  readonly kinds: Uint8Array
  readonly numbers: Int32Array
  readonly rows: Int32Array
  readonly stems: readonly string[]
}

const KINDS = ['telling', 'asking', 'filler'] as const

/**
 * Turns texts into words. Works each learned word out once: the passages say the same few thousand words again and again.
 * Goes on from what was `learned` earlier, with the same synonyms and rows.
 */
export function termsWith(synonyms: readonly (readonly string[])[], rowOf: (word: string) => number | undefined, learned?: LearnedWords): Terms {
  const oneOf = new Map(synonyms.flatMap((set) => set.map((word) => [stemmer(normalize(word)), stemmer(normalize(set[0] as string))] as const)))
  const numbers = new Map<string, number>()
  const bySpelling = new Map<string, Word>()
  const byPlain = new Map<string, Word>()
  const stemOf = (plain: string): string => {
    const stem = stemmer(plain)
    return oneOf.get(stem) ?? stem
  }
  const light = new Set(LIGHT_WORDS.split(' ').map(stemOf))
  const lightNumbers = new Set<number>()
  const rows: number[] = []

  function number(stem: string): number {
    const next = numbers.size
    numbers.set(stem, next)
    if (light.has(stem)) lightNumbers.add(next)
    rows.push(UNKNOWN)
    return next
  }
  function remember(spelling: string, word: Word): void {
    if (word.row !== UNKNOWN) rows[word.number] = rows[word.number] === UNKNOWN ? word.row : Math.min(rows[word.number] as number, word.row)
    bySpelling.set(spelling, word)
    byPlain.set(word.plain, word)
  }
  for (const stem of learned?.stems ?? []) number(stem)
  learned?.spellings.forEach((spelling, at) => {
    const kind = KINDS[learned.kinds[at] as number] as Word['kind']
    remember(spelling, { plain: learned.plains[at] as string, kind, number: learned.numbers[at] as number, row: learned.rows[at] as number })
  })

  function readWord(spelling: string): Word {
    const known = bySpelling.get(spelling)
    if (known) return known
    const normal = normalize(spelling)
    const plain = CHILD_SPELLINGS.get(normal) ?? normal
    const kind = plain === '' || STOP_WORDS.has(plain) ? 'filler' : ASKING_WORDS.has(plain) ? 'asking' : 'telling'
    const number = kind === 'filler' ? UNKNOWN : (numbers.get(kind === 'asking' ? `?${plain}` : stemOf(plain)) ?? UNKNOWN)
    return { plain, kind, number, row: kind === 'telling' ? (rowOf(plain) ?? UNKNOWN) : UNKNOWN }
  }

  function learnWord(spelling: string): Word {
    const known = bySpelling.get(spelling)
    if (known) return known
    let word = readWord(spelling)
    if (word.kind !== 'filler' && word.number === UNKNOWN) {
      word = { ...word, number: number(word.kind === 'asking' ? `?${word.plain}` : stemOf(word.plain)) }
    }
    remember(spelling, word)
    return word
  }

  return {
    learn(text, visit) {
      for (const spelling of wordsIn(text)) visit(learnWord(spelling))
    },
    read: (text) => wordsIn(text).map(readWord),
    find: (plain) => byPlain.get(plain),
    learned: () => byPlain.keys(),
    size: () => rows.length,
    rowOf: (number) => rows[number] ?? UNKNOWN,
    isLight: (number) => lightNumbers.has(number),
    keep() {
      const words = [...bySpelling.values()]
      return {
        spellings: [...bySpelling.keys()],
        plains: words.map((word) => word.plain),
        kinds: Uint8Array.from(words, (word) => KINDS.indexOf(word.kind)),
        numbers: Int32Array.from(words, (word) => word.number),
        rows: Int32Array.from(words, (word) => word.row),
        stems: [...numbers.keys()],
      }
    },
  }
}
