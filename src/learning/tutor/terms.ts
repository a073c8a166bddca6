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
    some: 'sum',
  }).flatMap(([word, spellings]) => spellings.split(' ').map((spelling) => [spelling, word] as const)),
)

/** Words that tell one question about a thing from another: little, since children ask for one thing in many ways. */
const FRAME_WORDS = new Set('why how what where when who whom whose which many much most long far old often'.split(' '))

export const wordsIn = (text: string): string[] => text.match(/[\p{L}\p{N}][\p{L}\p{N}\p{M}'’]*/gu) ?? []

/** Lower case without accents and apostrophes. */
const normalize = (word: string): string =>
  word
    .normalize('NFKD')
    .replace(/\p{M}|['’]/gu, '')
    .toLowerCase()

/** A word as the search reads it. */
export interface Word {
  /** Lower case, without accents, little words spelt as they should be. */
  readonly plain: string
  /** What it tells: stemmed, synonyms made one. Null for words that tell nothing. */
  readonly term: string | null
  /** Set for a word by which a question asks: "?why", "?many". */
  readonly frame: string | null
}

export interface Terms {
  /** The words of a text in order. */
  read(text: string): Word[]
  /** Whether a term is in questions about anything. */
  isLight(term: string): boolean
}

/** Words remembered; what children type beyond them is worked out each time. */
const WORDS_REMEMBERED = 20_000

/** Turns texts into terms. Works each word out once: the passages say the same few thousand words again and again. */
export function termsWith(synonyms: readonly (readonly string[])[]): Terms {
  const oneOf = new Map(synonyms.flatMap((set) => set.map((word) => [stemmer(normalize(word)), stemmer(normalize(set[0] as string))] as const)))
  const known = new Map<string, Word>()
  const termOf = (plain: string): string => {
    const stem = stemmer(plain)
    return oneOf.get(stem) ?? stem
  }
  function readWord(word: string): Word {
    const before = known.get(word)
    if (before) return before
    const normal = normalize(word)
    const plain = CHILD_SPELLINGS.get(normal) ?? normal
    const isFrame = FRAME_WORDS.has(plain)
    const read = { plain, term: plain === '' || isFrame || STOP_WORDS.has(plain) ? null : termOf(plain), frame: isFrame ? `?${plain}` : null }
    if (known.size < WORDS_REMEMBERED) known.set(word, read)
    return read
  }
  const light = new Set(LIGHT_WORDS.split(' ').map(termOf))
  return { read: (text) => wordsIn(text).map(readWord), isLight: (term) => light.has(term) }
}
