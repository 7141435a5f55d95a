"""Mosaics: photographs of people who do not exist, each made of the features of several consenting people, with exact masks.

k-Same (Newton, Sweeney, Malin, 2005) averages whole faces: nobody in particular, but blurred. A mosaic mixes the *shape* of k people
with bounded weights, averages their broad colours, and takes the fine detail of skin, eyes, brows, nose, mouth and chin from
*different* people; hair, ears, neck, clothes and background come from one more. What is too near a real person is thrown away.
"""
