/**
 * What a child wants of its tutor rather than to know of the world: to hear what it is, that it keeps something from
 * grown-ups, the answer of a puzzle without trying, or nothing at all. Phrases of the same names answer.
 */
export type Wish = 'self' | 'secret' | 'hint' | 'nod'

const KINDS_OF_SELF =
  'human|person|people|someone|somebody|alive|robot|bot|chatbot|computer|program|machine|ai|man|woman|lady|guy|girl|boy|kid|child|grown-?up|adult|real(?= or |\\W*$)'
const GROWN_UP = 'mum|mom|mummy|mommy|dad|daddy|parents?|family|grown-?ups?|teacher|anyone|anybody|others?|other people'
const OUR_TALK = '(?:this|what (?:i|we) (?:say|said|write|wrote|type|tell)(?: you)?)(?: here| too)?\\W*$'

const WISHES: readonly (readonly [Wish, readonly RegExp[]])[] = [
  [
    'self',
    [
      new RegExp(
        `\\b(?:are (?:you|u)|(?:you|u)(?: are| r|'?re)|r u)(?: (?:a|an|the|not|just|really|actually|only|secretly|some|like|real))* (?:${KINDS_OF_SELF})\\b`,
      ),
      /^\W*(?:so |but |and )?(?:what|who) (?:are|r) (?:you|u)(?: really)?\W*$/,
    ],
  ],
  [
    // Only what is said to the tutor: who tells of a secret with somebody else is answered by passages about that.
    'secret',
    [
      /\b(?:can|could|will|would) (?:you|u|we) (?:please )?keep (?:a |my |our |this |it |any )*secrets?\b|^\W*(?:please )?keep (?:it|this|my|our)(?: as)?(?: a)? secret\b/,
      /^\W*(?:it|this|that)(?:'?s| is| will be) our (?:own |little )?secret\b|\b(?:let'?s|can we) have a secret(?=\W*$| (?:that )?(?:only|just|together))/,
      /^\W*(?:can|may) i tell (?:you|u) (?:a|my) secret\b/,
      /^\W*(?:(?:please|can|will|do|you|u|have to|must) )*(?:promise|swear)\b.{0,20}\b(?:not|never|won'?t)(?: to)? tell\b/,
      new RegExp(
        `^\\W*(?:please )?(?:don'?t|do not|never|you (?:can'?t|mustn'?t|must not|may not)) tell (?:it |this )?(?:to )?(?:my |the )?(?:${GROWN_UP})\\b`,
      ),
      /\b(?:this|it) (?:is|stays?|'?s) (?:just |only )?between (?:us|you and me)\b/,
      new RegExp(`\\b(?:can|do|does|will|could) (?:my |the )?(?:${GROWN_UP}) (?:also |ever )?(?:read|see|hear) ${OUR_TALK}`),
      new RegExp(`\\bwho (?:else )?(?:can|will|could|may) (?:read|see|hear) ${OUR_TALK}`),
    ],
  ],
  [
    'hint',
    [
      /\b(?:tell|give|say|show|need|want)\b.{0,20}\b(?:the|an|your) (?:right |correct )?(?:answer|solution)\b/,
      /^\W*(?:just |only |and )?(?:what(?:'?s| is| are) )?(?:the )?(?:right |correct )?(?:answer|solution)s?(?: please| now)?\W*$/,
      /\b(?:just|only) the (?:answer|solution)\b|\bno (?:more )?(?:hints|clues)\b|\bi(?: just)? give up\b|\b(?:solve|do) (?:it|this|that) for me\b/,
      /\b(?:don'?t|do not) (?:want to|wanna) (?:guess|think|try)\b/,
    ],
  ],
]

const NODS = new Set(
  (
    'yes yeah yep yup yay no nope nah ok okay k kk cool wow nice great good fine sure maybe dunno idk lol haha hehe ha hm hmm um uh oh hi hello hey bye ' +
    'whatever boring meh more next please thanks thank you i see go on and so well dont know'
  ).split(' '),
)
const LONGEST_NOD_WORDS = 4

/** What a child's words want of its tutor, as far as they tell; undefined where they are a question like any other. */
export function wishOf(question: string): Wish | undefined {
  const text = question.toLowerCase().replaceAll('’', "'")
  const [wish] = WISHES.find(([, patterns]) => patterns.some((pattern) => pattern.test(text))) ?? []
  if (wish) return wish
  const words = text.replaceAll("'", '').match(/[\p{L}\p{N}]+/gu) ?? []
  return words.length > 0 && words.length <= LONGEST_NOD_WORDS && words.every((word) => NODS.has(word)) ? 'nod' : undefined
}
