"""A user's own layer: weights and arrays from files become a case as any other.

What is read (`stored`), which layer it is (`inference`), what goes in (`inputs`) and what is asked
(`asked`) ends in configs whose arrays are given; judging them is the ordinary run. What is said in
the end (`answer`, `applying`) and the script that ports the layer (`port`) read its results.
"""
