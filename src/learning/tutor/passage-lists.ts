import type { Passage } from '../curriculum/curriculum.ts'
import type { Terms, Word } from './terms.ts'

/** Lists of numbers end to end, which take far less than as many arrays. */
export interface PackedLists {
  readonly flat: Int32Array
  /** Where each list ends. */
  readonly ends: Int32Array
}

/** The words of passages by their numbers: of each passage a list for each question, then one with all its words. */
export interface PassageLists extends PackedLists {
  /** Of each passage, its list with all its words. */
  readonly wholes: Int32Array
  /** Of each word, the passages that have it: twice the place of the passage, and one more where only the text has it. */
  readonly postings: PackedLists
}

/** Collects lists of distinct numbers. */
function collectLists() {
  const flat: number[] = []
  const ends: number[] = []
  const lastIn: number[] = []
  return {
    /** Adds a number to the list at hand, unless it has it. */
    add(number: number): void {
      if (lastIn[number] === ends.length) return
      lastIn[number] = ends.length
      flat.push(number)
    },
    /** Ends the list at hand, and gives its index. */
    end: (): number => ends.push(flat.length) - 1,
    pack: (): PackedLists => ({ flat: Int32Array.from(flat), ends: Int32Array.from(ends) }),
  }
}

const packed = (lists: readonly (readonly number[])[]): PackedLists => {
  let end = 0
  return { flat: Int32Array.from(lists.flat()), ends: Int32Array.from(lists, (list) => (end += list.length)) }
}

/** The lists one by one, as views. */
export const unpacked = ({ flat, ends }: PackedLists): Int32Array[] => Array.from(ends, (end, index) => flat.subarray(index === 0 ? 0 : ends[index - 1], end))

/** Learns the words of passages, and lists them. */
export function listPassages(passages: readonly Passage[], terms: Terms): PassageLists {
  const lists = collectLists()
  const wholes: number[] = []
  const postings: number[][] = []
  const post = (number: number, posting: number) => {
    const all = postings[number]
    if (!all) postings[number] = [posting]
    else if ((all[all.length - 1] as number) >> 1 !== posting >> 1) all.push(posting)
  }
  passages.forEach((passage, place) => {
    const addAsked = ({ kind, number }: Word) => {
      if (kind === 'filler') return
      lists.add(number)
      if (kind === 'telling') post(number, place * 2)
    }
    const addTold = ({ kind, number }: Word) => {
      if (kind !== 'telling') return
      lists.add(number)
      post(number, place * 2 + 1)
    }
    for (const question of [passage.ask, ...passage.questions]) {
      terms.learn(question, addAsked)
      lists.end()
    }
    for (const text of [passage.ask, passage.about, ...passage.keywords]) terms.learn(text, addAsked)
    for (const sentence of passage.sentences) terms.learn(sentence, addTold)
    wholes.push(lists.end())
  })
  return { ...lists.pack(), wholes: Int32Array.from(wholes), postings: packed(Array.from(postings, (list) => list ?? [])) }
}
