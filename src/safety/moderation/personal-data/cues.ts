import { single } from '../folding.ts'
import type { PersonalKind } from './stretch.ts'

/** Words that announce personal data, and what of the words after them is data. */
export interface Cue {
  readonly kind: PersonalKind
  /** Matched on a folded line; the group `d`, where it is, is the data. Without it the words announce only. */
  readonly pattern: RegExp
  /** Whether what was caught is data; `isCommon` tells words that are not names. */
  readonly holds?: (data: readonly string[], isCommon: (word: string) => boolean) => boolean
}

const W = '[\\p{L}\\d]+'
const KIN =
  '(?:mo+ms?|mu+ms?|momy|mumy|mama|mami|maman|dads?|dady|papa|papi|sisters?|sis|brothers?|bro|nana?|nany|gran(?:y|ma|pa|dad)?s?|oma|opa|abuel[ao]|aunt(?:y|ie)?|uncles?|cousins?|step(?:mom|mum|dad)|babysiters?|teachers?|coach|friends?|bf+|bestie|neighbou?rs?|parents|familys?)'
const MY = `(?:(?:my|our|mi|mein|meine|mon|ma) (?:(?:big|litle|older|baby|best|step|twin|new|real|old|secret|home|whole|personal|own) )*(?:${KIN} )?|${KIN} )(?:(?:new|real|own|old|secret|home|whole|personal|work) )?`
const IS = '(?:is|iz|are|was|s|its|ist|es|est|e|starts with|begins with|goes like|goes|will be)'
const STREET =
  '(?:street|str|road|rd|avenue|ave|av|lane|ln|crescent|cres|boulevard|blvd|terrace|mews|highway|hwy|parade|drive|dr|close|court|ct|place|way|grove|gardens?|hil|row|square|park|circle|rise|green|gate|heights|alley|cotages?|apartments?|nagar|marg|vihar|colony|sector|enclave|layout|lodge|estate|strase|str|gase|weg|alee|platz|ring|calle|rue|via)'
const SURE_STREET = '(?:street|str|road|rd|avenue|ave|lane|crescent|boulevard|blvd|terrace|mews|nagar|marg|vihar|colony|enclave|strase|gase|alee)'
const APP =
  '(?:roblox|minecraft|fortnite|discord|disc|instagram|insta|ig|snapchat|snap|sc|tik ?tok|youtube|yt|twitch|whatsap|facebok|fb|mesenger|twiter|telegram|kik|steam|psn|playstation|ps ?\\d|xbox|gamer ?tag|nintendo|switch|brawl stars|clash royale|among us|skype|zoom|epic|redit|pinterest|bereal|messenger kids|apple id|rec room|spotify|signal|viber|wechat|kahot|duolingo|scratch|gorila tag|prodigy|stumble guys)'
const PASSWORD =
  '(?:(?:wi ?fi|phone|ipad|tablet|computer|laptop|door|front door|back door|house|garage|alarm|safe|locker|bike|roblox|minecraft|bank|card|school|netflix|login|account|screen|unlock|game|google|gate|key|lunch|parental) ){0,5}(?:pas ?word|pas ?wrd|paswurd|passwort|pas ?code|pin(?: (?:code|number|num))?|pw|pwd|login|log in|contrasena|kenwort|mot de pase|(?:aces|security|secret|door|lock|alarm|gate|unlock|key|safe|locker|entry|buzer|house|garage) (?:code|combination|combo)|card number|credit card|debit card|cvv|pasport number|social security number|sn)'
const SCHOOL = '(?:sch?ol|skol|skul|schule|grundschule|ecole|escuela|colegio|kinder ?gart?[ae]n|kinder|nursery|pre ?schol|day ?care|academy|kita|colege)'
const SCHOOL_KIND =
  '(?:pr[iy]mary|elem[ea]ntar?y|midle|high|junior|infants?|gramar|secondary|prep|montesori|academy|catholic|public|international|colege|grundschule|gymnasium)'
const TELL = `(?:(?:can|shal|should|let|leme|il|i wil|im gona|im going to|i want to|i wana|wana|i can|i could|am i alowed to|is it ok (?:if|to)|what if|want me to)(?: ${W}){0,3} (?:tel|give|send|say|share|write|show|type|text) (?:it )?(?:to )?you|(?:do |would |wil )?you (?:want|wana|need|like|have|know)(?: to)?(?: (?:know|have|hear|see|gues|save))?|(?:wana|want to) (?:know|hear|have|see)|here(?: is|s)|this is|take|write down|save|remember)`
const NOT_DATA = new Set(
  single(
    'the a an so not really very too old new broken lost dead bad good nice cool long short hard easy secret private in on at my your his her their our to from for and but because when if that this what how why where who it is was be red blue green black white pink big small fun boring great awesome far near close here there better best worst weird funny stupid slow fast mean no yes i you he she they we me gone stolen off low charging working ringing hot cold full empty called named like just also',
  ).split(' '),
)
/** What children say after a first name that is no surname. */
const AFTER_NAME = new Set(
  single(
    'and i im am is are was what why how who where when can do does did lol haha hi hello hey please thanks thank you your u but because so my me the a an to too from in at on of for with he she we they it that this not now ok yes no yeah like love want have has had got go come came will would said says told named called age aged years old boy girl hungry happy sad tired bored good nice cool funny sorry not also today here there then just really by if or its dont didnt does tell know whats wanna gonna let lets im ive hehe xd bro dude mr mrs one two three four five six seven eight nine ten',
  ).split(' '),
)
const isName = (word: string | undefined): word is string => word !== undefined && word.length > 1 && !/\d/.test(word) && !AFTER_NAME.has(word)
const isData = (data: readonly string[]): boolean => data[0] !== undefined && !NOT_DATA.has(data[0])

const line = (source: string): RegExp => new RegExp(`(?<= )(?:${single(source)})(?= )`, 'dgu')
const cue = (kind: PersonalKind, source: string, holds?: Cue['holds']): Cue => ({ kind, pattern: line(source), ...(holds ? { holds } : {}) })

export const CUES: readonly Cue[] = [
  // Phone
  cue(
    'phone',
    `${MY}(?:(?:tele|cel|mobile|home|land)? ?(?:phone|fone|line)|cel|mobile|handy|whatsap|telefon)? ?(?:number|numer|numba|num|numbr|numero|no|nr|digits) (?:${IS}|on)(?! (?:one|not|bigger|lucky))(?: (?<d>(?:${W} ){0,12}?${W}))?(?= (?:and|so|cal|text|plea?se|ok) | $)`,
    (data) => data.length === 0 || data.some((word) => /\d/.test(word) || /^(?:zero|oh|one|two|thre|four|five|six|seven|eight|nine|double|plus)$/.test(word)),
  ),
  cue('phone', `${TELL} (?:my|our|my ${KIN}|${KIN}) (?:(?:phone|fone|mobile|cel|home|new) ?)*(?:number|fone|phone|mobile|num|digits)`),
  cue('phone', `(?:cal|text|ring|phone|mesage|msg|whatsap|facetime) (?:me|us|my ${KIN}) (?:on|at|under)(?: (?:this|my|number))*(?= \\d| $)`),
  cue(
    'phone',
    `i (?:know|learned|learnt|remember|memori[sz]ed|have)(?: ${W}){0,2} (?:my|our|${KIN})(?: ${KIN})? (?:(?:phone|cel|mobile|fone|home) ?)(?:number|num)`,
  ),
  // E-mail
  cue(
    'email',
    `${MY}(?:e ?mail|e ?male|gmail|hotmail|outlok|icloud|coreo|mail)(?: (?:adres|adresse|acount|id))? (?:${IS}|caled)(?: (?<d>${W}(?: ${W}){0,5}))?`,
    (data) => data.length === 0 || isData(data),
  ),
  cue('email', `${TELL} (?:my|our|${KIN}) (?:e ?mail|gmail)(?: adres)?`),
  cue('email', `(?:e ?mail|mail|write to) (?:me|us|my ${KIN}) (?:at|on)(?: (?<d>${W}(?: ${W}){0,5}))?`),
  cue(
    'email',
    `(?<d>${W}(?: (?:dot|point|punkt|underscore|dash|minus) ${W}){0,4} (?:at|ad|aet|aroba) (?:g ?mail|hotmail|yaho|outlok|icloud|gmx|web|proton|aol|live|${W} dot)(?: (?:dot )?(?:com|de|org|net|couk|co uk|co dot uk|fr|es|it|in|ie|au))?)`,
  ),
  // Address
  cue(
    'address',
    `${MY}(?:home |house |stret )?(?:adre?s|ad+res+e?|adres|anschrift|direcion|post ?code|zip ?code|zip|stret name|eir ?code) (?:${IS})(?: (?<d>${W}(?: ${W}){0,9}))?`,
    (data) => data.length === 0 || isData(data),
  ),
  cue('address', `${TELL} (?:(?:my|our|${KIN}) (?:home )?(?:adres|adress|postcode|zip code|house number)|where (?:i|we) live)`),
  cue(
    'address',
    `(?:i|we|im|he|she|they|my ${KIN}|${KIN})(?: (?:al|now|also|both|just|used to))? (?:live|lives|liv|lve|living|stay|stays|moved|am living|wohne|vivo|habite)(?: (?:now|here|up|over|down|right))? (?:at|to|on|in|near|by|along|off|behind|opposite|beside|next to|acros from)? ?(?<d>(?:the |flat |apartment |apt |unit |house |room |no |number |nr |plot |door )*\\d{1,5}[a-h]?(?: ${W}){1,6})`,
    (data) =>
      !/^(?:houses?|miles?|k(?:ilo)?m\w*|minutes?|mins?|hours?|days?|years?|months?|weks?|stret|strets|dors?|blocks?|diferent|people|brothers?|sisters?|cats?|dogs?|pets?|flors?|planets?|times?|countries|met\w+|stories|and|or|oclock|light|degre\w*|fet|foot)$/.test(
        data.find((word) => !/^(?:the|number|no|\d+)$/.test(word)) ?? 'and',
      ),
  ),
  cue(
    'address',
    `(?:i|we|im|he|she|they|my ${KIN}|${KIN})(?: now| both)? (?:live|lives|liv|living|stay) (?:at|on|in|near|by|off|along|down|opposite|behind|acros from|next to) (?:the )?(?<d>(?!(?:a|an|my|this|that|one|busy|quiet|long|same|other|big|noisy) )(?:${W} ){1,3}${SURE_STREET}(?: \\d{1,4})?)`,
  ),
  cue(
    'address',
    `(?:i|we|im) (?:live|liv|living) (?:in|on|at) (?<d>(?!(?:the|a|an|my|this|that|one|our) )(?:${W} ){1,2}(?:drive|close|court|grove|gardens|way|square|place|park|mews))`,
    (data) => data.length > 1 && !data.slice(0, -1).some((word) => AFTER_NAME.has(word)),
  ),
  cue('address', `(?:i|we|my ${KIN}) (?:live|lives|liv) (?:at|in|on|near|by)(?= $)`),
  cue(
    'address',
    `(?:(?:my|our|${KIN}) (?:house|home|flat|apartment|dor|building|road|stret)(?: number)?|house number|flat number|the house) (?:${IS}) (?:at |on |in |caled |named )?(?<d>(?:number |no |flat |unit )?(?:\\d{1,5}[a-h]?(?: ${W}){0,6}|${W}(?: ${W}){0,2} (?:${STREET}|farm|lodge|cotage|house)))`,
    (data) => !data.some((word) => /^(?:met\w+|fet|roms?|flors?|bedroms?|years|old|bigger|big|tal|than|minutes|miles|km|white|green|red)$/.test(word)),
  ),
  cue(
    'address',
    `(?<d>(?:(?:flat|apartment|apt|unit|no|number|nr|plot|house) )?\\d{1,5}[a-h]? (?:${W} ){1,3}${SURE_STREET}(?: ${W} ${W} \\d{4,6})?)`,
    (data) => !data.slice(1).some((word) => /^(?:miles?|lane|way|met\w*|km|cars?|bikes?|kids|people|of|the|is|are|acros|down|on|in|wide|long|and)$/.test(word)),
  ),
  cue(
    'address',
    `(?:at|adres|live|lives|house|home|to|is|its|in|visit|send|post|come|deliver|party)(?: ${W})? (?<d>(?:flat |apt |unit |no |number )?\\d{1,5}[a-h]? (?:${W} ){1,3}${STREET}(?: ${W}){0,2})`,
    (data) => !data.some((word) => /^(?:times|plus|minus|degre\w*|met\w+|miles?|km|people|minutes|hours|years|feet|of|the|and|per|light)$/.test(word)),
  ),
  cue(
    'address',
    `(?<d>\\d{1,5} (?:${W} ){1,3}(?:al|ak|az|ar|ca|co|ct|de|fl|ga|hi|id|il|ia|ks|ky|la|ma|md|mi|mn|ms|mo|mt|ne|nv|nh|nj|nm|ny|nc|nd|oh|ok|or|pa|ri|sc|sd|tn|tx|ut|vt|va|wa|wv|wi|wy) \\d{5})`,
  ),
  cue(
    'address',
    `(?<d>(?:${W} )?${W}(?:strase|strase|str|gase|weg|alee|plats|platz|laan|straat|gatan|vej|katu) (?:(?:nummer|nr) )?\\d{1,4}[a-h]?(?: \\d{4,5}(?: ${W})?)?)`,
    (data) => (data[0]?.length ?? 0) > 4,
  ),
  cue('address', `(?<d>\\d{1,4} (?:bis |ter )?(?:rue|avenue|boulevard|chemin|impase|alee|quai|route)(?: ${W}){1,4})`),
  cue('address', `(?<d>(?:cale|avenida|avda|plaza|paseo|carer|rua|via|viale|piaza|ulica|ul|jalan|jl|rue)(?: ${W}){1,4} \\d{1,4}[a-h]?)`),
  cue('address', '(?<d>[a-pr-uwyz][a-hk-y]?\\d[a-z\\d]? \\d[abd-hjlnp-uw-z]{2})', (data) => !/^(?:ww2|ps5|h2o|co2)$/.test(data[0] ?? '')),
  cue('address', '(?<d>[abceghj-nprstvxy]\\d[abceghj-nprstv-z] \\d[abceghj-nprstv-z]\\d)'),
  // Secrets
  cue(
    'secret',
    `(?:${MY}|the |our )${PASSWORD}(?: (?:for|to|of|at|on)(?: ${W}){1,4}?)? (?:${IS}|caled)(?: (?<d>${W}(?: ${W}){0,4}))?`,
    (data) => data.length === 0 || isData(data),
  ),
  cue('secret', `${PASSWORD}(?: (?:for|to|of)(?: ${W}){1,3}?)? ${IS} (?<d>(?:${W} ){0,2}?(?=\\p{L}*\\d)${W}(?: ${W})?)`),
  cue('secret', `(?<d>${W}) is (?:my|our|the wifi|the|${KIN}) (?:${KIN} )?${PASSWORD}`, isData),
  cue('secret', `${TELL} (?:my|our|the|my ${KIN}|${KIN}) ${PASSWORD}`),
  cue(
    'secret',
    `(?:we|i|mum|mom|dad|my ${KIN}) (?:hide|hides|kep|keps|leave|leaves|put|puts) (?:the|our|a) (?:(?:spare|house|dor|front dor|extra|back dor) )?keys? (?<d>(?:under|in|behind|on|inside|above)(?: ${W}){1,5})`,
  ),
  cue(
    'secret',
    `(?:our|the|my|a) (?:spare|house|front dor|dor|extra|back dor) keys? (?:${IS}|lies|hangs|lives) (?:always )?(?<d>(?:under|in|behind|on|inside|above)(?: ${W}){1,5})`,
  ),
  // School
  cue('school', `${MY}${SCHOOL}(?: name| nam|s name)? (?:${IS} )?(?:caled|named|calld|name is|heist|se lama)(?: (?<d>${W}(?: ${W}){0,4}))?`),
  cue('school', `${MY}${SCHOOL}s? (?:name|nam) ${IS}(?: (?<d>${W}(?: ${W}){0,4}))?`),
  cue('school', `(?:the )?name of (?:my|our) ${SCHOOL} ${IS}(?: (?<d>${W}(?: ${W}){0,4}))?`),
  cue(
    'school',
    `(?:i|we|im|ive|he|she|my ${KIN}|${KIN})(?: (?:al|now|also|both|wil|used to|just))? (?:go|goes|goto|going|atend|atends|am|study|studies|started|starts|start|teach|teaches|work|works|was|went)(?: ${W}){0,5}? (?:to|at|in|from|atend|atends)? ?(?<d>(?:(?!(?:my|our|a|the|this|that|his|her|same) )${W} ){1,3}(?:${SCHOOL_KIND}(?: ${SCHOOL})?|${SCHOOL}))`,
    (data, isCommon) =>
      data.slice(0, -1).some((word) => !isCommon(word) && !new RegExp(`^${single(SCHOOL_KIND)}$`, 'u').test(word)) ||
      data.some((word) => /^(?:st|saint|sankt)$/.test(word)),
  ),
  cue('school', `(?<d>(?:${W} ){1,2}(?:pr[iy]mary|elementary|midle|high|junior|gramar|secondary) ${SCHOOL})`, (data, isCommon) => !isCommon(data[0] as string)),
  cue(
    'school',
    `(?:i|we|im|my ${KIN})(?: now| both)? (?:go|goes|am|study|start|started|atend)(?: ${W}){0,4} (?:to|at|in|atend) (?<d>(?:st|saint|sankt|our lady|holy) ${W}(?: ${W}){0,2})`,
  ),
  cue('school', `${TELL} (?:what|which|wich|the name of|where) (?:my )?(?:schol)? ?(?:i|we)? ?(?:go to|am at|atend|go)(?: to)? ?(?:schol)?`),
  // Names
  cue(
    'full_name',
    `${MY}(?:last|sur|family|second|ful|hole|whole|entire|complete|real|midle) ?(?:name|nam|naem)s? (?:${IS}|caled)(?: (?<d>${W}(?: ${W}){0,2}))?`,
    (data) => data.length === 0 || isData(data),
  ),
  cue('full_name', `${TELL} (?:my|${KIN})(?: ${KIN})? (?:last|sur|family|ful|whole|real) ?name`),
  cue(
    'full_name',
    `(?:${MY}(?:names?|nam|naem) (?:${IS} )?(?:caled )?|me lamo |mein name ist |ich heise |je mapele |mi chiamo |i am caled |im caled |caled me )(?<d>${W} ${W}(?: ${W})?)`,
    (data, isCommon) => isName(data[0]) && isName(data[1]) && (!isCommon(data[1]) || data.length === 2),
  ),
  cue(
    'full_name',
    `(?:im|i am|iam|this is|its|it is|its me|cal me|here is|my (?:best |litle |big |baby )?${KIN} (?:is|s)|${KIN} is|from|signed|love|named|caled|hi im|hey im|yours) (?<d>${W} ${W})`,
    (data, isCommon) => isName(data[0]) && isName(data[1]) && data.every((word) => !isCommon(word)),
  ),
  cue(
    'full_name',
    `(?<d>${W} ${W}) (?:is|thats) (?:my|me|my ful|my real|my ${KIN}s?) ?(?:name|ful name|real name|whole name)`,
    (data) => isName(data[0]) && isName(data[1]),
  ),
  // Accounts
  cue(
    'account',
    `${MY}(?:${APP} )?(?:user ?(?:name|nam|id|nme)|user|handle|gamer ?tag|tag|friend ?code|acount(?: name)?|chanel(?: name)?|profile(?: name)?|screen ?name|login name|player name|nick ?name) (?:(?:on|in|for|at) ${APP} )?(?:${IS}|caled)(?: (?<d>${W}(?: ${W})?))?`,
    (data) => data.length === 0 || isData(data),
  ),
  cue(
    'account',
    `${MY}${APP}(?: (?:is|s|its|name is|id is|name|id|user|acount|tag|caled|acount is|chanel is))+ (?<d>${W}(?: ${W})?)`,
    (data) => isData(data) && !/(?:ing|ed)$/.test(data[0] as string),
  ),
  cue('account', `${APP} (?:user ?name|user|acount|handle|tag|id|name) (?:${IS}) (?<d>${W}(?: ${W})?)`, isData),
  cue(
    'account',
    `(?:ad|folow|friend|find|sub to|subscribe to|mesage|msg|dm|join|lok up|search|text|snap|invite)(?: (?:me|my|us|for me|for))?(?: (?:on|in|at))? ${APP}(?: (?:im|i am|its|it is|as|is|my name is|name is|user|caled|at|acount|chanel|name))*(?: (?<d>${W}))?`,
    (data) => data.length === 0 || isData(data),
  ),
  cue('account', `(?:im|i am|my name is|my names|my user is|cal(?:ed)? me) (?<d>${W}(?: ${W})?) (?:on|in) ${APP}`, isData),
  cue(
    'account',
    `${TELL} (?:my|our) (?:(?:${APP} )?(?:user ?name|user|gamer ?tag|handle|acount|friend ?code|id)|(?:insta|instagram|snap|snapchat|discord|tik ?tok))`,
  ),
]
