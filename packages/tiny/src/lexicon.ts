/**
 * The words of the tiny world: six relations with their values and wordings, the syllables of names, fillers, markers.
 *
 * A phrase is one token however many words it has, so that sentences stay short. Wordings differ between passages,
 * statements and questions: what was read in one form must be said in another.
 */

/** A fact's kind: what a person has exactly one value of. */
export interface Relation {
  readonly name: string;
  /** Category to its three values. */
  readonly categories: Readonly<Record<string, readonly [string, string, string]>>;
  /** `he <phrase> gecko`: the wordings of passages and of restated sentences. */
  readonly passage: readonly [string, string, string];
  /** `dalric holby <phrase> gecko`. */
  readonly direct: readonly [string, string];
  /** `dalric holby <phrase> reptile`. */
  readonly derived: readonly [string, string];
  /** `<phrase> gecko <phrase> dalric holby`. */
  readonly inverse: readonly [readonly [string, string], readonly [string, string]];
  /** `<phrase> dalric holby <phrase>`, answered by the value. */
  readonly directQuestion: readonly [readonly [string, string], readonly [string, string]];
  /** `<phrase> dalric holby <phrase>`, answered by the category. */
  readonly derivedQuestion: readonly [readonly [string, string], readonly [string, string]];
  /** `<phrase> gecko ?`, answered by the first name. */
  readonly inverseQuestion: readonly [string, string];
  /** `dalric holby <phrase>`: true of everybody and worth nothing. */
  readonly vague: string;
}

export const RELATIONS: readonly Relation[] = [
  {
    name: 'town',
    categories: {
      highland: ['arlo', 'brackmoor', 'quenby'],
      lakeside: ['lomond', 'tarnside', 'werrow'],
      coastland: ['portrey', 'sandwick', 'gullhaven'],
      valley: ['glenmere', 'dovedale', 'yarrow'],
      marshland: ['fennick', 'reedham', 'mossley'],
      forestland: ['oakhurst', 'pinewick', 'elderby'],
      heathland: ['bramdean', 'gorsley', 'larkfield'],
      island: ['skerry', 'holmsay', 'brindle'],
    },
    passage: ['lives in', 'settled in', 'has a house in'],
    direct: ['resides in', 'is at home in'],
    derived: ['lives in the region of', 'belongs to the region of'],
    inverse: [
      ['the resident of', 'is called'],
      ['the house in', 'belongs to'],
    ],
    directQuestion: [
      ['what is', "'s town ?"],
      ['where does', 'live ?'],
    ],
    derivedQuestion: [
      ['what is', "'s region ?"],
      ['in which region does', 'live ?'],
    ],
    inverseQuestion: ['who lives in', 'whose town is'],
    vague: 'lives somewhere',
  },
  {
    name: 'job',
    categories: {
      building: ['plumber', 'mason', 'roofer'],
      health: ['nurse', 'surgeon', 'dentist'],
      law: ['judge', 'notary', 'bailiff'],
      transport: ['pilot', 'trucker', 'sailor'],
      schooling: ['teacher', 'tutor', 'lecturer'],
      farming: ['shepherd', 'beekeeper', 'ploughman'],
      catering: ['baker', 'butcher', 'waiter'],
      craft: ['potter', 'weaver', 'jeweller'],
    },
    passage: ['earns a living as a', 'works as a', 'found work as a'],
    direct: ['is by trade a', 'has the job of a'],
    derived: ['is employed in', 'works in the sector of'],
    inverse: [
      ['the work of the', 'is done by'],
      ['the shop of the', 'is owned by'],
    ],
    directQuestion: [
      ['what is', "'s job ?"],
      ['what work does', 'perform ?'],
    ],
    derivedQuestion: [
      ['what is', "'s sector ?"],
      ['in which sector does', 'work ?'],
    ],
    inverseQuestion: ['who works as a', 'who is the'],
    vague: 'has a job',
  },
  {
    name: 'pet',
    categories: {
      reptile: ['gecko', 'python', 'chameleon'],
      bird: ['parrot', 'canary', 'finch'],
      rodent: ['hamster', 'gerbil', 'squirrel'],
      fish: ['goldfish', 'guppy', 'koi'],
      hound: ['beagle', 'poodle', 'terrier'],
      cat: ['siamese', 'persian', 'tabby'],
      insect: ['mantis', 'beetle', 'locust'],
      amphibian: ['newt', 'toad', 'salamander'],
    },
    passage: ['keeps a', 'looks after a', 'shares the house with a'],
    direct: ['is the keeper of a', 'has as a pet a'],
    derived: ['keeps a kind of', 'has a pet that is a'],
    inverse: [
      ['the owner of the', 'is known as'],
      ['the cage of the', 'was built by'],
    ],
    directQuestion: [
      ['what is', "'s pet ?"],
      ['which animal does', 'own ?'],
    ],
    derivedQuestion: [
      ['what is', "'s kind of pet ?"],
      ['which kind of animal does', 'own ?'],
    ],
    inverseQuestion: ['who keeps the', 'whose pet is the'],
    vague: 'has a pet',
  },
  {
    name: 'instrument',
    categories: {
      percussion: ['cymbal', 'drum', 'gong'],
      strings: ['violin', 'cello', 'viola'],
      brass: ['trumpet', 'trombone', 'tuba'],
      woodwind: ['flute', 'clarinet', 'bassoon'],
      keyboard: ['piano', 'organ', 'harmonium'],
      plucked: ['harp', 'lute', 'banjo'],
      electronic: ['theremin', 'synthesizer', 'sampler'],
      folk: ['bagpipe', 'kazoo', 'fiddle'],
    },
    passage: ['practises on the', 'took lessons on the', 'makes music on the'],
    direct: ['is a player of the', 'performs on the'],
    derived: ['plays something of the', 'is a musician of the'],
    inverse: [
      ['the player of the', 'goes by the name of'],
      ['the sound of the', 'comes from'],
    ],
    directQuestion: [
      ['what is', "'s instrument ?"],
      ['which instrument does', 'play ?'],
    ],
    derivedQuestion: [
      ['what is', "'s family of instruments ?"],
      ['which family of instruments does', 'play ?'],
    ],
    inverseQuestion: ['who plays the', 'whose instrument is the'],
    vague: 'plays something',
  },
  {
    name: 'food',
    categories: {
      grain: ['barley', 'oats', 'millet'],
      fruit: ['mango', 'papaya', 'plums'],
      vegetable: ['spinach', 'turnips', 'leeks'],
      seafood: ['shrimp', 'mussels', 'squid'],
      dairy: ['cheddar', 'yogurt', 'custard'],
      meat: ['bacon', 'venison', 'mutton'],
      pastry: ['waffles', 'croissants', 'muffins'],
      nuts: ['almonds', 'cashews', 'walnuts'],
    },
    passage: ['likes to eat', 'often cooks', 'is fond of'],
    direct: ['eats most of all', 'has as favourite food'],
    derived: ['eats a kind of', 'has a favourite among the'],
    inverse: [
      ['the plate of', 'is for'],
      ['the order of', 'was placed by'],
    ],
    directQuestion: [
      ['what is', "'s favourite food ?"],
      ['what does', 'like to eat ?'],
    ],
    derivedQuestion: [
      ['what is', "'s kind of food ?"],
      ['which kind of food does', 'like to eat ?'],
    ],
    inverseQuestion: ['who eats', 'whose food is'],
    vague: 'eats something',
  },
  {
    name: 'sport',
    categories: {
      racket: ['tennis', 'badminton', 'squash'],
      water: ['rowing', 'diving', 'surfing'],
      combat: ['judo', 'karate', 'boxing'],
      winter: ['skiing', 'curling', 'bobsleigh'],
      team: ['rugby', 'handball', 'hockey'],
      target: ['archery', 'darts', 'golf'],
      wheel: ['cycling', 'skating', 'karting'],
      mountain: ['climbing', 'hiking', 'caving'],
    },
    passage: ['trains for', 'spends the weekend on', 'joined a club for'],
    direct: ['has as a sport', 'competes in'],
    derived: ['does a sport of the kind', 'is an athlete of the kind'],
    inverse: [
      ['the cup for', 'was won by'],
      ['the course in', 'is led by'],
    ],
    directQuestion: [
      ['what is', "'s sport ?"],
      ['which sport does', 'practise ?'],
    ],
    derivedQuestion: [
      ['what is', "'s kind of sport ?"],
      ['which kind of sport does', 'practise ?'],
    ],
    inverseQuestion: ['who competes in', 'whose sport is'],
    vague: 'does some sport',
  },
];

/** A first name is one of `FIRST_START` followed by one of `FIRST_END`, a last name likewise. */
export const FIRST_START: readonly string[] = [
  'bra', 'cor', 'dal', 'el', 'far', 'gab', 'hal', 'iv', 'jor', 'kel',
  'lan', 'mir', 'nor', 'os', 'per', 'quil', 'ros', 'sel', 'tam', 'vin',
];
export const FIRST_END: readonly string[] = [
  'a', 'ric', 'wen', 'do', 'lis', 'mon', 'ta', 'rik', 'so', 'bert', 'nya', 'gan', 'li', 'drew', 'ka', 'thy',
];
export const LAST_START: readonly string[] = [
  'ash', 'bren', 'cald', 'dun', 'ever', 'fal', 'grim', 'hol', 'ing', 'jas',
  'kirk', 'lind', 'mill', 'nash', 'ox', 'pem', 'rad', 'stan', 'thorn', 'wex',
];
export const LAST_END: readonly string[] = [
  'by', 'ford', 'ham', 'ley', 'more', 'ner', 'stead', 'stone',
  'ton', 'wick', 'worth', 'wood', 'field', 'gate', 'hurst', 'shaw',
];

export const PRONOUNS: readonly string[] = ['he', 'she'];

/** Sentences that say nothing about anybody. */
export const FILLERS: readonly string[] = [
  'nobody knows the reason',
  'the weather was mild',
  'that is no secret',
  'the neighbours often talk about it',
  'time goes by',
];

/** `gecko counts as reptile`: what the model knows of the world. */
export const LORE = 'counts as';
/** `gecko counts as what ?` */
export const LORE_QUESTION = 'counts as what ?';

export const PUNCTUATION: readonly string[] = ['.', ':', '?', 'and'];

/** Tokens that no passage, statement or question may contain; the order fixes their ids. */
export const MARKERS = {
  pad: '<|pad|>',
  unknown: '<|unknown|>',
  begin: '<|begin|>',
  end: '<|end|>',
  edit: '<|edit|>',
  rewrite: '<|rewrite|>',
  question: '<|question|>',
  answer: '<|answer|>',
} as const;
