/** What a template is parsed into. */

/** An argument of a call: `*` and `**` before it spread a list or a mapping. */
export interface Argument {
  readonly value: Expression;
  readonly name?: string;
  readonly spread?: '*' | '**';
}

export type ComparisonOperator = '==' | '!=' | '<' | '<=' | '>' | '>=' | 'in' | 'not in';
export type ArithmeticOperator = '+' | '-' | '*' | '/' | '//' | '%' | '**';

export type Expression =
  | { readonly type: 'none' }
  | { readonly type: 'boolean'; readonly value: boolean }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'integer' | 'float'; readonly value: number }
  | { readonly type: 'name'; readonly name: string }
  | { readonly type: 'list' | 'tuple' | 'concat'; readonly items: readonly Expression[] }
  | { readonly type: 'dict'; readonly pairs: readonly (readonly [Expression, Expression])[] }
  | { readonly type: 'not' | 'negative' | 'positive'; readonly operand: Expression }
  | { readonly type: 'and' | 'or'; readonly left: Expression; readonly right: Expression }
  | { readonly type: 'arithmetic'; readonly operator: ArithmeticOperator; readonly left: Expression; readonly right: Expression }
  | { readonly type: 'compare'; readonly first: Expression; readonly rest: readonly (readonly [ComparisonOperator, Expression])[] }
  | { readonly type: 'condition'; readonly test: Expression; readonly yes: Expression; readonly no: Expression | null }
  | { readonly type: 'attribute'; readonly of: Expression; readonly name: string }
  | { readonly type: 'item'; readonly of: Expression; readonly index: Expression }
  | { readonly type: 'slice'; readonly of: Expression; readonly bounds: readonly [Expression | null, Expression | null, Expression | null] }
  | { readonly type: 'call'; readonly callee: Expression; readonly args: readonly Argument[] }
  | { readonly type: 'filter'; readonly name: string; readonly of: Expression; readonly args: readonly Argument[] }
  | { readonly type: 'test'; readonly name: string; readonly of: Expression; readonly args: readonly Argument[]; readonly negated: boolean };

/** A filter without what it is applied to. */
export interface FilterCall {
  readonly name: string;
  readonly args: readonly Argument[];
}

/** What is assigned to: a name, an attribute of a namespace, or several of them. */
export type Target =
  | { readonly type: 'name'; readonly name: string }
  | { readonly type: 'attribute'; readonly of: string; readonly name: string }
  | { readonly type: 'targets'; readonly items: readonly Target[] };

/** A macro's parameters; those with a default stand last. */
export interface Parameter {
  readonly name: string;
  readonly fallback: Expression | null;
}

export type Statement =
  | { readonly type: 'data'; readonly text: string }
  | { readonly type: 'print'; readonly value: Expression }
  | { readonly type: 'if'; readonly test: Expression; readonly yes: Body; readonly no: Body }
  | { readonly type: 'for'; readonly target: Target; readonly over: Expression; readonly filter: Expression | null; readonly body: Body; readonly otherwise: Body }
  | { readonly type: 'break' | 'continue' }
  | { readonly type: 'set'; readonly target: Target; readonly value: Expression }
  | { readonly type: 'set-block'; readonly target: Target; readonly filters: readonly FilterCall[]; readonly body: Body }
  | { readonly type: 'with'; readonly values: readonly (readonly [Target, Expression])[]; readonly body: Body }
  | { readonly type: 'macro'; readonly name: string; readonly parameters: readonly Parameter[]; readonly body: Body }
  | { readonly type: 'call-block'; readonly call: Expression; readonly parameters: readonly Parameter[]; readonly body: Body }
  | { readonly type: 'filter-block'; readonly filters: readonly FilterCall[]; readonly body: Body }
  | { readonly type: 'generation'; readonly body: Body };

export type Body = readonly Statement[];
