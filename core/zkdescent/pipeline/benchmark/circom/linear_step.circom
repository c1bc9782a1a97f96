pragma circom 2.1.6;

// Gradient descent on a linear model in signed fixed point, written by hand: the peer that a traced
// circuit is compared with. Sound about the arithmetic of honest-sized inputs and nothing else:
// neither data nor weights are committed to, and data is not range-checked.
//
// Units: a weight, feature or target v stands for v / 2**fraction_bits; a negative v is the field
// element p + v. With f = fraction_bits, lr the learning rate, B the batch size and
// lr * 2 / B = 2**-rate_bits, one step of SGD on mean squared error is
//
//     error[i]    = sum_j x[i][j] * weight[j]  +  2**f * (bias - y[i])          units of 2**-2f
//     gradient[j] = sum_i error[i] * x[i][j]                                    units of 2**-3f
//     weight[j]  -= gradient[j] / 2**(2f + rate_bits)                           units of 2**-f
//     bias       -= sum_i error[i] / 2**(f + rate_bits)
//
// Both quotients are rounded to the nearest integer, halves up: the trajectory is unique.


// Constrains 0 <= value < 2**bits. Needs bits < 253, so that no two decompositions are equal mod p.
template Range(bits) {
    signal input value;
    signal bit[bits];
    var sum = 0;
    for (var i = 0; i < bits; i++) {
        bit[i] <-- (value >> i) & 1;
        bit[i] * (bit[i] - 1) === 0;
        sum += bit[i] * 2**i;
    }
    sum === value;
}


// quotient = floor(value / 2**shift + 1/2), constrained to -2**(bits-1) <= quotient < 2**(bits-1).
//
// Quotient and remainder are hints. What makes them unique: 0 <= remainder < 2**shift, and with
// shift + bits < 253 no other pair of that size gives the same sum in the field.
template Rescale(shift, bits) {
    signal input value;
    signal output quotient;
    var offset = 2**(bits - 1);
    // Not negative for any value in range, so that the hints are integer operations.
    var raised = value + 2**(shift - 1) + offset * 2**shift;

    signal raised_quotient <-- raised >> shift;
    signal remainder <-- raised & (2**shift - 1);
    raised === raised_quotient * 2**shift + remainder;
    Range(bits)(raised_quotient);
    Range(shift)(remainder);
    quotient <== raised_quotient - offset;
}


// One update. parameter_in, parameter_out: weights, then the bias.
template Step(features, batch, fraction_bits, rate_bits, parameter_bits) {
    signal input x[batch][features];
    signal input y[batch];
    signal input parameter_in[features + 1];
    signal output parameter_out[features + 1];

    // The last product of each sum carries the sum: one constraint per product, none per sum.
    signal product[batch][features - 1];
    signal error[batch];
    for (var i = 0; i < batch; i++) {
        var sum = 2**fraction_bits * (parameter_in[features] - y[i]);
        for (var j = 0; j < features - 1; j++) {
            product[i][j] <== x[i][j] * parameter_in[j];
            sum += product[i][j];
        }
        error[i] <== x[i][features - 1] * parameter_in[features - 1] + sum;
    }

    signal term[features][batch - 1];
    signal gradient[features];
    var weight_shift = 2 * fraction_bits + rate_bits;
    for (var j = 0; j < features; j++) {
        var sum = 0;
        for (var i = 0; i < batch - 1; i++) {
            term[j][i] <== error[i] * x[i][j];
            sum += term[j][i];
        }
        gradient[j] <== error[batch - 1] * x[batch - 1][j] + sum;
        parameter_out[j] <== Rescale(weight_shift, parameter_bits)(
            parameter_in[j] * 2**weight_shift - gradient[j]
        );
    }

    var bias_gradient = 0;
    for (var i = 0; i < batch; i++) {
        bias_gradient += error[i];
    }
    var bias_shift = fraction_bits + rate_bits;
    parameter_out[features] <== Rescale(bias_shift, parameter_bits)(
        parameter_in[features] * 2**bias_shift - bias_gradient
    );
}


// `steps` updates in a row. The parameters before and after are public, the data is private.
template Steps(steps, features, batch, fraction_bits, rate_bits, parameter_bits) {
    signal input x[steps][batch][features];
    signal input y[steps][batch];
    signal input parameters_in[features + 1];
    signal output parameters_out[features + 1];

    signal state[steps + 1][features + 1];
    state[0] <== parameters_in;
    for (var t = 0; t < steps; t++) {
        state[t + 1] <== Step(features, batch, fraction_bits, rate_bits, parameter_bits)(
            x[t], y[t], state[t]
        );
    }
    parameters_out <== state[steps];
}
